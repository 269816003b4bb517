#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace flint::testing {

/// Choices from a fuzzer's bytes, for as long as there are any: numbers from the end, strings from the beginning,
/// exactly as LLVM's FuzzedDataProvider takes them, so that the corpora keep their meaning. That header comes with 43
/// MB of clang's run time alone, and the tests compile the fuzz targets without it.
class FuzzedChoices {
 public:
  explicit FuzzedChoices(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool more() const { return !rest_.empty(); }

  /// From 0 to bound - 1. It takes no more bytes than a number of that size needs.
  [[nodiscard]] std::uint64_t pick(std::uint64_t bound) {
    const std::uint64_t most = bound - 1;
    std::uint64_t number = 0;
    for (unsigned bits = 0; bits < std::numeric_limits<std::uint64_t>::digits && (most >> bits) > 0 && more();
         bits += 8) {
      number = number << 8U | rest_.back();
      rest_ = rest_.first(rest_.size() - 1);
    }
    return bound == 0 ? number : number % bound;
  }

  /// At most `most` bytes; a backslash and any other character end it, two backslashes are one.
  [[nodiscard]] std::string string_up_to(std::size_t most) {
    std::string text;
    while (text.size() < most && more()) {
      std::uint8_t next = take_front();
      if (next == '\\' && more()) {
        next = take_front();
        if (next != '\\') break;
      }
      text += static_cast<char>(next);
    }
    return text;
  }

 private:
  std::uint8_t take_front() {
    const std::uint8_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte;
  }

  std::span<const std::uint8_t> rest_;
};

}  // namespace flint::testing
