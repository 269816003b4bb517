#pragma once

#include <cstddef>
#include <string_view>

/// What text may be a key, or may come from a stranger. Strict UTF-8: shortest forms only, no surrogates, nothing
/// above U+10FFFF.
namespace flint::base {

[[nodiscard]] bool is_valid_utf8(std::string_view text) noexcept;

/// The offset of the first byte that does not belong to valid UTF-8, or text.size().
[[nodiscard]] std::size_t find_invalid_utf8(std::string_view text) noexcept;

/// The offset of the first control character (C0, DEL or C1) of valid UTF-8, or text.size().
[[nodiscard]] std::size_t find_control_character(std::string_view text) noexcept;

/// Whether valid UTF-8 holds nothing but white space (Unicode's White_Space), or nothing at all.
[[nodiscard]] bool is_blank(std::string_view text) noexcept;

/// Whether every byte is from U+0020 to U+007E: valid, and free of control characters. Eight bytes a step, so that the
/// usual key pays next to nothing.
[[nodiscard]] bool is_printable_ascii(std::string_view text) noexcept;

}  // namespace flint::base
