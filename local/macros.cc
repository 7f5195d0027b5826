#include "local/macros.h"

#include <cstdlib>

#include <fmt/core.h>

#include "lib/config/expand.h"

namespace postrider::local {

namespace {

std::string filtered(std::string_view value, std::string_view allowed) {
  std::string safe(value);
  for (char& c : safe) {
    if (allowed.find(c) == std::string_view::npos) c = '_';
  }
  return safe;
}

}  // namespace

Result<std::string> expand_macros(std::string_view text, const MacroSource& source,
                                  std::string_view allowed) {
  const std::string_view delimiter(&source.delimiter,
                                   source.delimiter == '\0' || source.extension.empty() ? 0 : 1);
  return config::expand(text, [&](std::string_view name) -> Result<std::optional<std::string>> {
    if (name == "recipient") return filtered(source.recipient, allowed);
    if (name == "local") return filtered(source.local, allowed);
    if (name == "domain") return filtered(source.domain, allowed);
    if (name == "user" || name == "mailbox") return filtered(source.user, allowed);
    if (name == "extension") return filtered(source.extension, allowed);
    if (name == "recipient_delimiter") return filtered(delimiter, allowed);
    if (name == "home") return filtered(source.account != nullptr ? source.account->home : "", allowed);
    if (name == "shell") return filtered(source.account != nullptr ? source.account->shell : "", allowed);
    return std::nullopt;
  });
}

std::vector<std::string> command_environment(const MacroSource& source, const queue::Envelope& envelope,
                                             const queue::Recipient& recipient, std::string_view sender,
                                             const std::vector<std::string>& exported,
                                             std::string_view allowed) {
  std::vector<std::string> environment;
  const auto put = [&](std::string_view name, std::string_view value) {
    environment.push_back(fmt::format("{}={}", name, value));
  };
  const auto put_filtered = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) put(name, filtered(value, allowed));
  };
  for (const auto& item : exported) {
    const auto equals = item.find('=');
    if (equals != std::string::npos) {
      environment.push_back(item);
    } else if (const char* value = std::getenv(item.c_str()); value != nullptr) {
      put(item, value);
    }
  }
  put("PATH", "/usr/bin:/bin");
  if (source.account != nullptr) {
    put("HOME", source.account->home);
    put("LOGNAME", source.account->name);
    put("USER", source.account->name);
    put("SHELL", source.account->shell.empty() ? "/bin/sh" : source.account->shell);
  }
  put_filtered("SENDER", sender.empty() ? "MAILER-DAEMON" : sender);
  put_filtered("RECIPIENT", source.recipient);
  put_filtered("ORIGINAL_RECIPIENT", recipient.original.empty() ? recipient.address : recipient.original);
  put_filtered("LOCAL", source.local);
  put_filtered("DOMAIN", source.domain);
  put_filtered("EXTENSION", source.extension);
  put_filtered("CLIENT_HOSTNAME", envelope.client.name);
  put_filtered("CLIENT_ADDRESS", envelope.client.address);
  put_filtered("CLIENT_HELO", envelope.client.helo);
  put_filtered("CLIENT_PROTOCOL", envelope.client.protocol);
  put_filtered("SASL_METHOD", envelope.sasl_method);
  put_filtered("SASL_SENDER", envelope.sasl_sender);
  put_filtered("SASL_USERNAME", envelope.sasl_username);
  return environment;
}

}  // namespace postrider::local
