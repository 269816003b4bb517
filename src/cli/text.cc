#include "cli/text.h"

#include <algorithm>
#include <array>

namespace flint::cli {
namespace {

std::size_t columns_of(char32_t value) {
  // The blocks that matter in practice, not the whole of Unicode's width tables.
  constexpr std::array<base::CodePointRange, 2> kCombining = {{{0x300, 0x36f}, {0xfe00, 0xfe0f}}};
  constexpr std::array<base::CodePointRange, 9> kWide = {{{0x1100, 0x115f},
                                                          {0x2e80, 0xa4cf},
                                                          {0xac00, 0xd7a3},
                                                          {0xf900, 0xfaff},
                                                          {0xfe30, 0xfe6f},
                                                          {0xff00, 0xff60},
                                                          {0xffe0, 0xffe6},
                                                          {0x1f300, 0x1faff},
                                                          {0x20000, 0x3fffd}}};
  if (value < 0x300) return 1;
  if (base::within(kCombining, value)) return 0;
  return base::within(kWide, value) ? 2 : 1;
}

struct Unit {
  std::uint64_t millis;
  std::string_view name;
};
constexpr std::array<Unit, 4> kUnits = {{{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}}};

}  // namespace

std::size_t display_width(std::string_view text) noexcept {
  std::size_t width = 0;
  while (!text.empty()) {
    const base::CodePoint point = base::first_code_point(text);
    width += columns_of(point.value);
    text.remove_prefix(point.size);
  }
  return width;
}

/// Rounded up at each step, never down: who waits as long as this says must not be denied again.
std::string wait_text(std::uint64_t millis) {
  if (millis < 1'000) return std::to_string(millis) + " ms";
  const std::uint64_t tenths = millis / 100 + (millis % 100 != 0 ? 1 : 0);
  if (tenths < 600) return base::one_decimal(tenths) + " s";
  for (std::size_t i = 0; i + 1 < kUnits.size(); ++i) {
    const Unit& big = kUnits[i];
    const Unit& small = kUnits[i + 1];
    const std::uint64_t smalls = millis / small.millis + (millis % small.millis != 0 ? 1 : 0);
    const std::uint64_t ratio = big.millis / small.millis;
    if (smalls < ratio) continue;
    std::string out = std::to_string(smalls / ratio) + " " + std::string(big.name);
    if (smalls % ratio != 0) out += " " + std::to_string(smalls % ratio) + " " + std::string(small.name);
    return out;
  }
  return base::one_decimal(tenths) + " s";
}

std::string Style::paint(std::string_view sequence, std::string_view text) const {
  if (!colour_) return std::string(text);
  return "\x1b[" + std::string(sequence) + "m" + std::string(text) + "\x1b[0m";
}

std::string Table::text(const Style& style) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns_[i].title.size();
    for (const auto& row : rows_) width = std::max(width, display_width(row[i]));
    widths.push_back(width);
  }
  const auto line = [&](const auto& cell_of) {
    std::string out;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string_view cell = cell_of(i);
      const std::string padding(widths[i] - display_width(cell), ' ');
      if (i != 0) out += "  ";
      if (columns_[i].align == Align::kRight) out += padding;
      out += cell;
      if (columns_[i].align == Align::kLeft && i + 1 < columns_.size()) out += padding;
    }
    return out;
  };
  std::string out = style.bold(line([&](std::size_t i) { return columns_[i].title; })) + "\n";
  for (const auto& row : rows_) out += line([&](std::size_t i) { return std::string_view(row[i]); }) + "\n";
  return out;
}

}  // namespace flint::cli
