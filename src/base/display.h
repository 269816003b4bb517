#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// Parts of sentences for people: nothing here is read by a program.
namespace flint::base {

/// `text` with everything that a terminal would act on, that reorders its surroundings, or that nobody can see, written
/// as an escape: control characters, directional marks, characters without a shape, every blank but the space, and
/// bytes that are not UTF-8.
[[nodiscard]] std::string printable(std::string_view text);

/// printable() between double quotes.
[[nodiscard]] std::string quote(std::string_view text);

/// quote() for what was given wrongly: of a long text only the beginning, and how long it is.
[[nodiscard]] std::string quote_given(std::string_view text);

/// As it has to be typed in a shell to arrive as one argument.
[[nodiscard]] std::string shell_word(std::string_view text);

/// `812 B`, `1.5 KiB`, `32.0 MiB`.
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

/// 15 as `1.5`.
[[nodiscard]] std::string one_decimal(std::uint64_t tenths);

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 1;
};

/// Of valid UTF-8 that is not empty.
[[nodiscard]] CodePoint first_code_point(std::string_view text) noexcept;

/// Both ends belong to it.
struct CodePointRange {
  char32_t first;
  char32_t last;
};

template <std::size_t kSize>
[[nodiscard]] bool within(const std::array<CodePointRange, kSize>& ranges, char32_t value) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const CodePointRange& range) { return value >= range.first && value <= range.last; });
}

}  // namespace flint::base
