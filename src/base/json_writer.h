#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "flint/time.h"

namespace flint::base {

/// `,"name":` of a member's name, put together by the compiler: an answer consists of names for its larger part.
/// The name is one of ours: it needs no escapes.
template <std::size_t kSize>
struct MemberName {
  // NOLINTNEXTLINE(google-explicit-constructor)
  consteval MemberName(const char (&name)[kSize]) {
    text[0] = ',';
    text[1] = '"';
    std::copy_n(name, kSize - 1, text.begin() + 2);
    text[kSize + 1] = '"';
    text[kSize + 2] = ':';
  }
  std::array<char, kSize + 3> text{};
};

/// Appends JSON to a string: a check's answer is some 250 bytes, and a tree of values would cost more than the check.
///
/// Commas are put between what is written one after the other; the caller closes what it opened.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }

  template <MemberName kName>
  void name() {
    constexpr std::string_view kText(kName.text.data(), kName.text.size());
    out_ += first_ ? kText.substr(1) : kText;
    first_ = true;
  }

  /// Valid UTF-8.
  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(bool truth) { raw(truth ? "true" : "false"); }
  void value(std::unsigned_integral auto number) {
    char digits[20];
    const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), number);
    raw({digits, static_cast<std::size_t>(end - digits)});
  }
  void value(WallTime time);
  void value(std::nullopt_t) { raw("null"); }
  template <typename T>
  void value(const std::optional<T>& optional) {
    if (optional) {
      value(*optional);
    } else {
      value(std::nullopt);
    }
  }

  /// Members as JsonMembers puts them together, behind another one.
  void members(std::string_view prepared) { out_ += prepared; }

  template <MemberName kName>
  void member(const auto& value) {
    name<kName>();
    this->value(value);
  }

 private:
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  void raw(std::string_view text) {
    separate();
    out_ += text;
  }
  void open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    first_ = false;
  }

  std::string& out_;
  bool first_ = true;
};

}  // namespace flint::base
