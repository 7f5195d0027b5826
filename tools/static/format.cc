// {fmt} for programs without shared libraries, since Debian has no archive of it. Compiled without the
// precompiled header, which holds the same headers in their other form.
#define FMT_HEADER_ONLY
#include <cstdio>
#include <string>

#include <fmt/core.h>
#include <fmt/format.h>

// What our archives call; naming them makes the compiler emit them.
[[gnu::used]] static std::string (*const to_text)(fmt::string_view, fmt::format_args) = &fmt::vformat;
[[gnu::used]] static void (*const to_file)(std::FILE*, fmt::string_view, fmt::format_args) = &fmt::vprint;
