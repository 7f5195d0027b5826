#include "auth/dovecot_protocol.h"

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::auth {

namespace {

using Kind = protocol::AuthStep::Kind;

// "\001" and one of these stand for the byte beside it.
constexpr std::string_view escaped_as = "01trn";
constexpr std::string_view escaped_bytes{"\0\1\t\r\n", 5};

std::string_view properties_of(std::string_view mechanism) {
  if (mechanism == "PLAIN" || mechanism == "LOGIN") return "\tplaintext";
  if (mechanism == "CRAM-MD5") return "\tdictionary\tactive";
  if (mechanism == "DIGEST-MD5") return "\tdictionary\tactive\tmutual-auth";
  if (mechanism.starts_with("SCRAM-")) return "\tmutual-auth";
  return "";
}

// AUTH's parameters after the mechanism. resp= is the last: what follows belongs to it.
bool take_parameters(const std::vector<std::string_view>& fields, protocol::AuthStart& start) {
  for (std::size_t i = 3; i < fields.size(); ++i) {
    const std::string field = dovecot_unescape(fields[i]);
    const std::string_view text = field;
    if (text.starts_with("service=")) start.service = text.substr(8);
    if (text.starts_with("rip=")) start.client_address = text.substr(4);
    if (text.starts_with("lip=")) start.local_address = text.substr(4);
    if (text == "secured" || text.starts_with("secured=")) start.secure = true;
    if (text.starts_with("resp=")) {
      auto response = base64_decode(text.substr(5));
      if (!response) return false;
      start.initial = std::move(*response);
      start.has_initial = true;
      return i + 1 == fields.size();
    }
  }
  return true;
}

}  // namespace

std::string dovecot_escape(std::string_view field) {
  std::string result;
  for (const char c : field) {
    const std::size_t at = escaped_bytes.find(c);
    if (at == std::string_view::npos) {
      result += c;
    } else {
      result += '\1';
      result += escaped_as[at];
    }
  }
  return result;
}

std::string dovecot_unescape(std::string_view field) {
  std::string result;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\1' || i + 1 == field.size()) {
      result += field[i];
      continue;
    }
    const std::size_t at = escaped_as.find(field[++i]);
    result += at == std::string_view::npos ? field[i] : escaped_bytes[at];
  }
  return result;
}

std::optional<DovecotCommand> parse_dovecot_line(std::string_view line) {
  if (line.size() > max_dovecot_line) return std::nullopt;
  const auto fields = split(line, '\t');
  DovecotCommand command;
  if (fields.size() < 2) return std::nullopt;
  const auto id = parse_number<std::uint32_t>(fields[1]);
  if (!id) return std::nullopt;
  command.id = *id;
  if (fields[0] == "VERSION") {
    command.kind = DovecotCommand::Kind::version;
    if (fields.size() < 3 || !parse_number<std::uint32_t>(fields[2])) return std::nullopt;
  } else if (fields[0] == "CPID") {
    command.kind = DovecotCommand::Kind::cpid;
  } else if (fields[0] == "CANCEL") {
    command.kind = DovecotCommand::Kind::cancel;
  } else if (fields[0] == "CONT") {
    command.kind = DovecotCommand::Kind::cont;
    if (fields.size() != 3) return std::nullopt;
    auto response = base64_decode(fields[2]);
    if (!response) return std::nullopt;
    command.response = std::move(*response);
  } else if (fields[0] == "AUTH") {
    command.kind = DovecotCommand::Kind::auth;
    if (fields.size() < 3 || fields[2].empty() || fields[2].size() > 32) return std::nullopt;
    command.start.mechanism = dovecot_unescape(fields[2]);
    if (!take_parameters(fields, command.start)) return std::nullopt;
    if (command.start.service.empty() || command.start.service.size() > 64) return std::nullopt;
    if (command.start.client_address.size() > 64) return std::nullopt;
  } else {
    return std::nullopt;
  }
  return command;
}

std::string dovecot_greeting(const std::vector<std::string>& mechanisms, std::uint32_t process_id,
                             std::uint32_t connection_id, std::string_view cookie) {
  std::string text = "VERSION\t1\t2\n";
  for (const std::string& mechanism : mechanisms) {
    text += fmt::format("MECH\t{}{}\n", mechanism, properties_of(mechanism));
  }
  text += fmt::format("SPID\t{}\nCUID\t{}\nCOOKIE\t{}\nDONE\n", process_id, connection_id, cookie);
  return text;
}

std::string dovecot_answer(std::uint32_t id, const protocol::AuthStep& step) {
  const std::string user = step.user.empty() ? "" : "\tuser=" + dovecot_escape(step.user);
  switch (step.kind) {
    case Kind::challenge: return fmt::format("CONT\t{}\t{}\n", id, base64_encode(step.data));
    case Kind::success: return fmt::format("OK\t{}{}\n", id, user);
    case Kind::temporary: return fmt::format("FAIL\t{}{}\ttemp\tcode=temp_fail\n", id, user);
    case Kind::bad_mechanism:
      return fmt::format("FAIL\t{}\treason=Unsupported authentication mechanism.\n", id);
    case Kind::malformed: return fmt::format("FAIL\t{}\treason=Invalid base64 data or response.\n", id);
    case Kind::failure: return fmt::format("FAIL\t{}{}\n", id, user);
  }
  return "";
}

}  // namespace postrider::auth
