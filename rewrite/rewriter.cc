#include "rewrite/rewriter.h"

namespace postrider::rewrite {

namespace {

// Calls `each` with the place of every byte outside quotes until it returns false.
template <class F>
void for_unquoted(std::string_view text, F each) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && !each(i)) {
      return;
    }
  }
}

// "@a,@b:user@c" without what is before the user.
std::string_view without_route(std::string_view address) {
  while (address.starts_with('@')) {
    // RFC 822 route: up to ':'; a bare "@domain" has none and stays.
    const std::size_t colon = find_unquoted(address, ':');
    if (colon == std::string_view::npos || address.substr(0, colon).find('[') != std::string_view::npos)
      break;
    address.remove_prefix(colon + 1);
  }
  return address;
}

}  // namespace

std::size_t find_unquoted(std::string_view text, char wanted) {
  std::size_t found = std::string_view::npos;
  for_unquoted(text, [&](std::size_t i) {
    if (text[i] == wanted) found = i;
    return found == std::string_view::npos;
  });
  return found;
}

std::size_t rfind_unquoted(std::string_view text, char wanted) {
  std::size_t found = std::string_view::npos;
  for_unquoted(text, [&](std::size_t i) {
    if (text[i] == wanted) found = i;
    return true;
  });
  return found;
}

std::string rewrite_address(std::string_view address, Context context, const RewriteRules& rules) {
  constexpr std::size_t npos = std::string_view::npos;
  if (address.empty()) return {};
  if (context == Context::remote && rules.remote_domain.empty()) return std::string(address);
  const std::string& origin = context == Context::local ? rules.myorigin : rules.remote_domain;
  const std::string& parent = context == Context::local ? rules.mydomain : rules.remote_domain;

  std::string text(without_route(address));
  std::size_t at = rfind_unquoted(text, '@');
  if (at == npos && rules.swap_bangpath) {
    if (const std::size_t bang = find_unquoted(text, '!'); bang != npos) {
      text = text.substr(bang + 1) + "@" + text.substr(0, bang);
      at = rfind_unquoted(text, '@');
    }
  }
  if (at == npos && rules.percent_hack) {
    if (const std::size_t percent = rfind_unquoted(text, '%'); percent != npos) {
      text[percent] = '@';
      at = percent;
    }
  }
  // Remote headers get a domain whatever append_at_myorigin says: it was asked for by name.
  if (at == npos && (rules.append_at_myorigin || context == Context::remote)) {
    at = text.size();
    text += "@" + origin;
  }
  if (at == npos) return text;
  const std::string_view domain = std::string_view(text).substr(at + 1);
  const bool complete = domain.empty() || domain.front() == '[' || domain.find('.') != npos;
  if (!complete && (rules.append_dot_mydomain || context == Context::remote)) text += "." + parent;
  // One dot at the end marks a complete domain; two, or a dot alone, are left for the resolver to refuse.
  if (text.size() > at + 2 && text.ends_with('.') && text[text.size() - 2] != '.') text.pop_back();
  return text;
}

}  // namespace postrider::rewrite
