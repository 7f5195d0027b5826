#include "cleanup/rewriter.h"

#include <algorithm>

#include "lib/address/path.h"
#include "lib/protocol/rewrite.h"

namespace postrider::cleanup {

namespace {

constexpr Seconds patience{60};

std::string internal_form(const std::string& external) {
  const auto address = address::parse_address(external, {.utf8 = true, .allow_null = true});
  return address ? address->internal() : external;
}

}  // namespace

bool is_standard(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0) return false;
  const std::string_view local = address.substr(0, at), domain = address.substr(at + 1);
  // '%' and '!' are routes to some; '@' and quotes need a parser.
  const bool plain = std::ranges::all_of(
      local, [](char c) { return (address::is_atom_character(c) || c == '.') && c != '%' && c != '!'; });
  return plain && domain.find('.') != std::string_view::npos && domain.back() != '.' &&
         domain.front() != '[' && domain.front() != '.';
}

event::Task<Result<>> Rewriter::rewrite(std::string context, std::vector<std::string>& addresses) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < addresses.size(); ++i)
    if (!addresses[i].empty() && !is_standard(addresses[i])) open.push_back(i);
  for (std::size_t first = 0; first < open.size(); first += protocol::max_rewrite_batch) {
    const std::size_t count = std::min(open.size() - first, protocol::max_rewrite_batch);
    std::vector<std::string> batch;
    batch.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      batch.push_back(address::Address::from_internal(addresses[open[first + i]]).text());
    Result<std::vector<std::string>> answer = co_await ask(context, std::move(batch));
    if (!answer) co_return fail(answer.error());
    if (answer->size() != count)
      co_return fail(Trouble::temporary, "rewrite gave another number of addresses");
    for (std::size_t i = 0; i < count; ++i) addresses[open[first + i]] = internal_form((*answer)[i]);
  }
  co_return Result<>();
}

event::Task<Result<std::vector<std::string>>> Rewriter::ask(std::string context,
                                                            std::vector<std::string> addresses) {
  protocol::Rewrite question;
  question.context = std::move(context);
  question.addresses = std::move(addresses);
  Result<protocol::Rewritten> answer =
      co_await service_->ask<protocol::Rewritten>(question, loop_.after(patience));
  if (!answer) co_return fail(answer.error());
  co_return std::move(answer->addresses);
}

}  // namespace postrider::cleanup
