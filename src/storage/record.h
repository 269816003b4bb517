#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// What the log is made of, for those who write it and those who read it.
namespace flint::storage {

using Seq = std::uint64_t;

/// The kind of a record. Kinds below 0x80 belong to the owner of the state, the others to the store.
using RecordKind = std::uint8_t;
inline constexpr RecordKind kFirstStoreKind = 0x80;
/// The largest payload of a record.
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{60} << 10;

struct Record {
  RecordKind kind = 0;
  Seq seq = 0;
  /// Valid only during the call that passes the record.
  std::span<const std::byte> payload;
};

}  // namespace flint::storage
