// The precompiled header: what nearly every source includes, from outside this tree only.
//
// It is an optimisation and nothing may rely on it: each source still includes what it uses, and
// `make check-headers` compiles without it. A header of our own in here would hide who depends on it.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <cstring>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/core.h>
