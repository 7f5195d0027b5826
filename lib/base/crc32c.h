// CRC-32C (Castagnoli, reflected, as in iSCSI and ext4): the checksum of everything the suite keeps
// on disk. Detects damage, not malice.
#pragma once

#include <cstdint>
#include <string_view>

namespace postrider {

// Of `bytes`, or of what came before and `bytes` when `before` is the checksum of what came before.
// crc32c("123456789") == 0xE3069283. Uses the SSE4.2 instruction where the processor has it.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

// The same by table, for processors without the instruction and for comparing the two.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t before = 0);

}  // namespace postrider
