#include "pop3d/session.h"

#include <fmt/core.h>

#include "lib/pop3/reply.h"

namespace postrider::pop3d {

using pop3::Verb;

namespace {

constexpr std::size_t block_size = 32 * 1024;
constexpr std::size_t lines_between_yields = 1000;

}  // namespace

Session::Session(event::Loop& loop, Log& log, os::Files& files, io::Stream& stream,
                 mailbox::Pop3Maildrop& maildrop, Seconds timeout, bool mark_seen)
    : loop_(loop),
      log_(log),
      files_(files),
      stream_(stream),
      maildrop_(maildrop),
      timeout_(timeout),
      mark_seen_(mark_seen),
      deleted_(maildrop.count(), false),
      retrieved_(maildrop.count(), false) {}

event::Task<> Session::run(std::string name) {
  std::string_view why = "Logged out";
  try {
    co_await converse();
  } catch (const io::Ended& ended) {
    // RFC 1939 3: without QUIT nothing is deleted.
    why = ended.why == io::Ended::Why::timed_out ? "Disconnected for inactivity" : "Connection closed";
  }
  log_.info("{}: Disconnected: {} top={}/{}, retr={}/{}, del={}/{}, size={}", name, why, top_count_,
            top_bytes_, retr_count_, retr_bytes_, expunged_, maildrop_.count(), maildrop_.total_octets());
}

event::Task<> Session::converse() {
  while (!done_) {
    const io::Line line = co_await stream_.read_line(pop3::max_command_line, deadline());
    if (line.too_long) {
      stream_.put(pop3::err("line too long"));
      continue;
    }
    const std::string text(line.text);
    const pop3::Parsed<pop3::CommandLine> parsed = pop3::split_command(text);
    if (!parsed) {
      stream_.put(pop3::err(parsed.error()));
      continue;
    }
    co_await command(*parsed);
  }
  co_await stream_.close(deadline());
}

event::Task<> Session::command(pop3::CommandLine line) {
  switch (line.verb) {
    case Verb::stat: stat(); break;
    case Verb::list: co_await list(line.arguments, false); break;
    case Verb::uidl: co_await list(line.arguments, true); break;
    case Verb::retr: {
      const pop3::Parsed<std::uint32_t> number = pop3::parse_number_argument(line.arguments);
      if (!number) {
        stream_.put(pop3::err(number.error()));
        break;
      }
      if (const std::optional<std::size_t> index = find(*number)) co_await retrieve(*index, std::nullopt);
      break;
    }
    case Verb::top: {
      const pop3::Parsed<pop3::TopArguments> top = pop3::parse_top(line.arguments);
      if (!top) {
        stream_.put(pop3::err(top.error()));
        break;
      }
      if (const std::optional<std::size_t> index = find(top->number)) co_await retrieve(*index, top->lines);
      break;
    }
    case Verb::dele: dele(line.arguments); break;
    case Verb::rset: reset(); break;
    case Verb::noop: stream_.put(pop3::ok()); break;
    case Verb::capa:
      stream_.put(fmt::format("{}TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nIMPLEMENTATION Postrider\r\n{}",
                              pop3::ok(), pop3::end_of_listing));
      break;
    case Verb::quit: co_await quit(); break;
    default: stream_.put(pop3::err("unknown command, or one for before the login"));
  }
}

void Session::stat() {
  stream_.put(pop3::ok(
      fmt::format("{} {}", maildrop_.count() - deleted_count_, maildrop_.total_octets() - deleted_octets_)));
}

std::optional<std::size_t> Session::find(std::uint32_t number) {
  if (number == 0 || number > maildrop_.count()) {
    stream_.put(pop3::err(fmt::format("There is no message {}; there are {}.", number, maildrop_.count())));
    return std::nullopt;
  }
  if (deleted_[number - 1]) {
    stream_.put(pop3::err("Message is deleted."));
    return std::nullopt;
  }
  return number - 1;
}

std::string Session::entry(std::size_t index, bool uidl) const {
  return uidl ? maildrop_.uidl(index) : std::to_string(maildrop_.octets(index));
}

event::Task<> Session::list(std::string_view arguments, bool uidl) {
  const pop3::Parsed<std::optional<std::uint32_t>> number = pop3::parse_optional_number(arguments);
  if (!number) {
    stream_.put(pop3::err(number.error()));
    co_return;
  }
  if (*number) {
    if (const std::optional<std::size_t> index = find(**number))
      stream_.put(pop3::ok(fmt::format("{} {}", **number, entry(*index, uidl))));
    co_return;
  }
  stream_.put(uidl ? pop3::ok() : pop3::ok(fmt::format("{} messages:", maildrop_.count() - deleted_count_)));
  for (std::size_t i = 0; i < maildrop_.count(); ++i) {
    if (deleted_[i]) continue;
    co_await stream_.write(pop3::listing_line(static_cast<std::uint32_t>(i + 1), entry(i, uidl)), deadline());
    if ((i + 1) % lines_between_yields == 0) co_await loop_.yield();
  }
  stream_.put(pop3::end_of_listing);
}

// RETR, and TOP with a number of body lines.
event::Task<> Session::retrieve(std::size_t index, std::optional<std::uint64_t> body_lines) {
  Result<mailbox::StoredMessage> message = maildrop_.read(index);
  if (!message) {
    stream_.put(pop3::err(message.error().is(Trouble::not_found) ? "Message was removed by somebody else."
                                                                 : "Message cannot be read now.",
                          message.error().is(Trouble::not_found) ? "SYS/PERM" : "SYS/TEMP"));
    co_return;
  }
  stream_.put(body_lines ? pop3::ok() : pop3::ok(fmt::format("{} octets", maildrop_.octets(index))));
  smtp::DataEncoder encoder(pop3::retrieval_rules);
  std::optional<pop3::TopCutter> cutter;
  if (body_lines) cutter.emplace(*body_lines);
  std::string wire;
  std::uint64_t sent = 0;
  const auto encode = [&](std::string_view content) {
    if (cutter) content = content.substr(0, cutter->feed(content));
    encoder.feed(content, wire);
  };
  encode(message->head);
  std::string block(static_cast<std::size_t>(std::min<std::uint64_t>(message->length, block_size)), '\0');
  for (std::uint64_t at = 0; at < message->length && !(cutter && cutter->done());) {
    const std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), message->length - at));
    const Result<std::size_t> got =
        files_.pread(message->fd.get(), {block.data(), want}, message->offset + at);
    // Half a message must not look like a whole one: no end mark, the connection breaks.
    if (!got) throw io::Ended{io::Ended::Why::lost, got.error().text()};
    if (*got == 0) break;
    at += *got;
    encode(std::string_view(block).substr(0, *got));
    sent += wire.size();
    co_await stream_.write(wire, deadline());
    wire.clear();
  }
  encoder.finish(wire);
  sent += wire.size();
  stream_.put(wire);
  if (body_lines) {
    ++top_count_;
    top_bytes_ += sent;
  } else {
    ++retr_count_;
    retr_bytes_ += sent;
    retrieved_[index] = true;
  }
}

void Session::dele(std::string_view arguments) {
  const pop3::Parsed<std::uint32_t> number = pop3::parse_number_argument(arguments);
  if (!number) return stream_.put(pop3::err(number.error()));
  const std::optional<std::size_t> index = find(*number);
  if (!index) return;
  deleted_[*index] = true;
  ++deleted_count_;
  deleted_octets_ += maildrop_.octets(*index);
  stream_.put(pop3::ok("Marked to be deleted."));
}

void Session::reset() {
  deleted_.assign(maildrop_.count(), false);
  deleted_count_ = 0;
  deleted_octets_ = 0;
  stream_.put(pop3::ok());
}

event::Task<> Session::quit() {
  done_ = true;
  mailbox::Pop3Changes changes;
  for (std::size_t i = 0; i < maildrop_.count(); ++i) {
    if (deleted_[i])
      changes.deleted.push_back(i);
    else if (mark_seen_ && retrieved_[i] && !maildrop_.seen(i))
      changes.seen.push_back(i);
  }
  const Result<> updated = maildrop_.update(changes);
  if (!updated) {
    log_.warning("{}", updated.error().text());
    stream_.put(pop3::err("Some deleted messages not removed.", "SYS/TEMP"));
    co_return;
  }
  expunged_ = changes.deleted.size();
  stream_.put(pop3::ok(changes.deleted.empty() ? "Logging out." : "Logging out, messages deleted."));
}

}  // namespace postrider::pop3d
