// A message on its way into or out of a mailbox, without copying it into memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lib/os/fd.h"

namespace postrider::mailbox {

// What is to be stored: header lines of this delivery (Return-Path:, X-Original-To:, Delivered-To:,
// each ended by "\n"), then either `bytes` or the range of `fd`. Lines end in "\n". Views and the
// descriptor must live until the delivery returned.
struct Content {
  std::string_view head;
  std::string_view bytes;
  int fd = -1;  // read with pread; -1: use `bytes`
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// What is read out: `head` (may be empty), then `length` bytes of `fd` from `offset`. Lines end in
// "\n" or "\r\n" as stored. The range may turn out shorter if someone cuts the file meanwhile.
struct StoredMessage {
  std::string head;
  os::Fd fd;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

}  // namespace postrider::mailbox
