#pragma once

#include "storage/files.h"
#include "storage/log_reader.h"
#include "testing/test_store.h"

/// Segments made by hand, for tests.
namespace flint::testing {

inline constexpr std::uint64_t kId = 42;
inline constexpr std::size_t kSegmentBytes = 4096;

/// A segment with record 10 as its first one.
class SegmentBytes {
 public:
  SegmentBytes() : bytes_(kSegmentBytes) {
    const auto head = storage::encode_header(storage::kSegmentMagic, {kId, 3, 10, kSegmentBytes});
    std::copy(head.begin(), head.end(), bytes_.begin());
  }

  /// Returns where it stands.
  std::size_t add(storage::Seq seq, storage::Seq durable, const std::string& payload = "payload",
                  storage::RecordKind kind = 1) {
    const std::size_t at = end_;
    storage::encode_record(bytes_.data() + at, at, kId, {.kind = kind, .seq = seq, .payload = bytes_of(payload)},
                           durable);
    end_ += storage::record_bytes(payload.size());
    return at;
  }
  void damage(std::size_t at) { bytes_[at + 9] ^= std::byte{1}; }
  void wipe(std::size_t at, std::size_t size) {
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), size, std::byte{});
  }
  [[nodiscard]] std::size_t end() const { return end_; }

  [[nodiscard]] FaultyDisk disk() const {
    FaultyDisk disk;
    disk.put(storage::segment_name(3), text_of(bytes_));
    return disk;
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t end_ = storage::file_header::kSize;
};

}  // namespace flint::testing
