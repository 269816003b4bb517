#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/display.h"

/// Text for people: nothing here is read by a program.
namespace flint::cli {

using base::bytes_text;
using base::printable;
using base::quote;
using base::quote_given;
using base::shell_word;

/// Columns that the result of printable() takes on a terminal.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;

/// For how long to wait: `250 ms`, `1.8 s`, `5 m 3 s`, `2 h 10 m`, `3 d 4 h`. Rounded up, so that it is never too soon.
[[nodiscard]] std::string wait_text(std::uint64_t millis);

/// Colours, or none.
class Style {
 public:
  explicit Style(bool colour) : colour_(colour) {}
  [[nodiscard]] std::string bold(std::string_view text) const { return paint("1", text); }
  [[nodiscard]] std::string dim(std::string_view text) const { return paint("2", text); }
  [[nodiscard]] std::string red(std::string_view text) const { return paint("31", text); }
  [[nodiscard]] std::string green(std::string_view text) const { return paint("32", text); }
  [[nodiscard]] std::string yellow(std::string_view text) const { return paint("33", text); }

 private:
  [[nodiscard]] std::string paint(std::string_view sequence, std::string_view text) const;
  bool colour_;
};

/// Rows under titles, aligned. Cells are results of printable().
class Table {
 public:
  enum class Align : std::uint8_t { kLeft, kRight };
  struct Column {
    std::string_view title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] std::string text(const Style& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace flint::cli
