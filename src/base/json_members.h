#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/assert.h"
#include "base/json_writer.h"
#include "base/rfc3339.h"

namespace flint::base {

/// Members of an object that are short however large their values: put together on the stack, so that JsonWriter
/// appends them at once. `kMost` bytes hold them all.
template <std::size_t kMost>
class JsonMembers {
 public:
  template <MemberName kName>
  void member(std::unsigned_integral auto number) requires(!std::same_as<decltype(number), bool>) {
    name<kName>();
    if (number < 10) {
      *end_++ = static_cast<char>('0' + number);
    } else {
      end_ = std::to_chars(end_, text_.data() + kMost, number).ptr;
    }
  }
  template <MemberName kName>
  void member(bool truth) {
    name<kName>();
    truth ? put("true") : put("false");
  }
  template <MemberName kName>
  void member(const std::optional<std::uint64_t>& number) {
    if (number) return member<kName>(*number);
    name<kName>();
    put("null");
  }
  template <MemberName kName>
  void member(WallTime time) {
    name<kName>();
    *end_++ = '"';
    end_ = put_rfc3339(end_, time);
    *end_++ = '"';
  }
  /// `text` is one of ours: short, and without anything to escape.
  template <MemberName kName>
  void member(std::string_view text) {
    FLINT_ASSERT(text.size() <= kMostValue);
    name<kName>();
    *end_++ = '"';
    end_ += text.copy(end_, text.size());
    *end_++ = '"';
  }

  /// Each member with a comma before it.
  [[nodiscard]] std::string_view text() const { return {text_.data(), static_cast<std::size_t>(end_ - text_.data())}; }

 private:
  /// Of a value with its quotes: a time has 26 bytes, a number at most 20.
  static constexpr std::size_t kMostValue = 30;

  template <MemberName kName>
  void name() {
    constexpr std::size_t kSize = kName.text.size();
    FLINT_ASSERT(static_cast<std::size_t>(end_ - text_.data()) + kSize + kMostValue + 2 <= kMost);
    std::memcpy(end_, kName.text.data(), kSize);
    end_ += kSize;
  }
  template <std::size_t kSize>
  void put(const char (&literal)[kSize]) {
    std::memcpy(end_, literal, kSize - 1);
    end_ += kSize - 1;
  }

  std::array<char, kMost> text_;
  char* end_ = text_.data();
};

}  // namespace flint::base
