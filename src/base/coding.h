#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

/// Integers as bytes on disk: fixed ones little-endian, varints in groups of seven bits, lowest first.
namespace flint::base {

static_assert(std::endian::native == std::endian::little,
              "the disk format is little-endian; big-endian hosts need swaps");

inline constexpr std::size_t kMaxVarintBytes = 10;

template <typename T>
inline void store_fixed(std::byte* at, T value) noexcept {
  static_assert(std::is_integral_v<T>);
  std::memcpy(at, &value, sizeof(T));
}

template <typename T>
[[nodiscard]] inline T load_fixed(const std::byte* at) noexcept {
  static_assert(std::is_integral_v<T>);
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

/// Small magnitudes of either sign become small varints.
[[nodiscard]] constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
[[nodiscard]] constexpr std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

/// Appends to a buffer that the caller sized: at most what the caller has proven to fit is ever put.
class Writer {
 public:
  explicit Writer(std::span<std::byte> out) noexcept
      : begin_(out.data()), at_(out.data()), end_(out.data() + out.size()) {}

  template <typename T>
  void fixed(T value) noexcept {
    if (!fits(sizeof(T))) return;
    store_fixed(at_, value);
    at_ += sizeof(T);
  }
  void varint(std::uint64_t value) noexcept {
    while (value >= 0x80) {
      put(static_cast<std::uint8_t>(value | 0x80));
      value >>= 7;
    }
    put(static_cast<std::uint8_t>(value));
  }
  void bytes(std::string_view text) noexcept {
    if (!fits(text.size())) return;
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  /// A varint length, then the bytes.
  void text(std::string_view value) noexcept {
    varint(value.size());
    bytes(value);
  }

  /// False once anything did not fit; the buffer is then not to be used.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::span<const std::byte> written() const noexcept { return {begin_, at_}; }

 private:
  [[nodiscard]] bool fits(std::size_t size) noexcept {
    ok_ = ok_ && static_cast<std::size_t>(end_ - at_) >= size;
    return ok_;
  }
  void put(std::uint8_t byte) noexcept {
    if (fits(1)) *at_++ = std::byte{byte};
  }

  std::byte* begin_;
  std::byte* at_;
  std::byte* end_;
  bool ok_ = true;
};

/// Reads what Writer wrote, from bytes that may be anything. After the first thing that is not there or not canonical,
/// ok() is false and every read returns zero.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) noexcept : at_(in.data()), end_(in.data() + in.size()) {}

  template <typename T>
  [[nodiscard]] T fixed() noexcept {
    if (!has(sizeof(T))) return T{};
    T value = load_fixed<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  [[nodiscard]] std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && has(1); shift += 7) {
      const auto byte = static_cast<std::uint64_t>(*at_++);
      if (shift == 63 && byte > 1) break;
      value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        if (byte == 0 && shift != 0) break;  // a longer form of a smaller number: one value, one encoding
        return value;
      }
    }
    ok_ = false;
    return 0;
  }
  [[nodiscard]] std::string_view bytes(std::size_t size) noexcept {
    if (!has(size)) return {};
    std::string_view value(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return value;
  }
  /// What Writer::text put. The view lives as long as the bytes that are read.
  [[nodiscard]] std::string_view text() noexcept {
    const std::uint64_t size = varint();
    if (size > static_cast<std::uint64_t>(end_ - at_)) ok_ = false;
    return ok_ ? bytes(static_cast<std::size_t>(size)) : std::string_view{};
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  /// Everything was there and nothing is left over.
  [[nodiscard]] bool done() const noexcept { return ok_ && at_ == end_; }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }

 private:
  [[nodiscard]] bool has(std::size_t size) noexcept {
    ok_ = ok_ && static_cast<std::size_t>(end_ - at_) >= size;
    return ok_;
  }

  const std::byte* at_;
  const std::byte* end_;
  bool ok_ = true;
};

}  // namespace flint::base
