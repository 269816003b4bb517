#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// What the log is made of, for those who write it and those who read it.
namespace flint::storage {

using Seq = std::uint64_t;

/// The owner's own kinds of record; those from 0x80 on are the store's.
using RecordKind = std::uint8_t;
inline constexpr RecordKind kFirstStoreKind = 0x80;
/// The most that one record can carry.
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{60} << 10;

struct Record {
  RecordKind kind = 0;
  Seq seq = 0;
  /// Valid during the call that shows it.
  std::span<const std::byte> payload;
};

}  // namespace flint::storage
