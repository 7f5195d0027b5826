#include "cleanup/server.h"

#include "cleanup/submission.h"
#include "lib/protocol/cleanup.h"
#include "lib/protocol/services.h"

namespace postrider::cleanup {

Server::Server(daemon::Daemon& daemon, const Sections& sections)
    : daemon_(daemon),
      sections_(sections),
      rewrite_(daemon.loop(), protocol::private_service(sections.services.rewrite_service_name()), 8,
               daemon.stop_token()),
      rewriter_(daemon.loop(), rewrite_),
      mapper_(sections, rewriter_, daemon.log()),
      committer_(daemon.loop(), daemon.files(), daemon.clock(), daemon.log()),
      announcer_(daemon.loop(), daemon.log(), std::string(protocol::qmgr_intake)) {}

Result<> Server::open_tables() {
  table::Context context{.files = daemon_.files(), .log = daemon_.log(), .clock = daemon_.clock()};
  context.default_type = sections_.tables.default_database_type();
  context.berkeley_read_buffer = static_cast<std::size_t>(sections_.tables.berkeley_db_read_buffer_size());
  context.berkeley_create_buffer =
      static_cast<std::size_t>(sections_.tables.berkeley_db_create_buffer_size());
  context.lmdb_map_size = static_cast<std::size_t>(sections_.tables.lmdb_map_size());
  context.fold_utf8 = sections_.limits.smtputf8_enable();
  const CleanupConfig& config = sections_.cleanup;
  const auto maps = [&](const config::List& setting) {
    std::string list;
    for (const std::string& item : setting()) list += item + " ";
    return table::Maps::open(setting.name(), list, context);
  };
  checks_.header = maps(config.header_checks);
  checks_.mime_header = maps(config.mime_header_checks);
  checks_.nested_header = maps(config.nested_header_checks);
  checks_.body = maps(config.body_checks);
  checks_.body_limit = static_cast<std::size_t>(config.body_checks_limit());
  checks_.header_limit = static_cast<std::size_t>(sections_.limits.header_size_limit());
  checks_.nesting_limit = static_cast<std::size_t>(config.mime_nesting());
  checks_.boundary_limit = static_cast<std::size_t>(config.mime_boundary());
  return mapper_.open(context);
}

Result<> Server::open() {
  const queue::Layout layout(".");  // daemons work in the queue directory
  if (const Result<> made = queue::create_queue_directories(daemon_.files(), layout); !made) return made;
  queue::JournalOptions options;
  options.segment_bytes = static_cast<std::uint64_t>(sections_.cleanup.segment_bytes());
  options.content_threshold = static_cast<std::size_t>(sections_.cleanup.content_threshold());
  options.long_ids = sections_.limits.enable_long_queue_ids();
  if (const Result<> opened = committer_.open(layout, options); !opened) return opened;
  workers_ = std::make_unique<event::Workers>(daemon_.loop(), 1);
  mapper_.start(*workers_);
  return {};
}

event::Task<> Server::answer(ipc::Call call, ipc::Frame frame) {
  if (const auto whole = frame.as<protocol::SubmitWhole>()) {
    Submission submission(*this, whole->submit);
    const protocol::Submitted submitted = co_await submission.run(whole->content);
    call.answer(submitted);
  } else if (const auto reserve = frame.as<protocol::ReserveIds>()) {
    protocol::ReservedIds reserved;
    for (std::uint32_t i = 0; i < reserve->count; ++i) reserved.ids.push_back(committer_.next_id().text());
    call.answer(reserved);
  } else {
    throw io::Ended{io::Ended::Why::lost, "unexpected request"};
  }
}

event::Task<> Server::converse(ipc::Channel& channel, ipc::Frame frame) {
  const auto submit = frame.as<protocol::Submit>();
  if (!submit) {
    co_await answer(channel, std::move(frame));
    co_return;
  }
  Submission submission(*this, *submit);
  const protocol::Submitted submitted = co_await submission.run(channel);
  channel.put(submitted);
}

}  // namespace postrider::cleanup
