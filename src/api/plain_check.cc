#include "api/plain_check.h"

#include <cstring>
#include <utility>

namespace flint::api {
namespace {

/// Takes a text apart from its front; what is not as expected is not taken.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  /// And the white space behind it.
  bool take(char c) noexcept {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    skip_white();
    return true;
  }
  template <std::size_t kSize>
  bool take(const char (&literal)[kSize]) noexcept {
    constexpr std::size_t kBytes = kSize - 1;
    if (static_cast<std::size_t>(end_ - at_) < kBytes || std::memcmp(at_, literal, kBytes) != 0) return false;
    at_ += kBytes;
    skip_white();
    return true;
  }
  /// Of ASCII alone, without escapes: what else is UTF-8 is not decided here.
  std::optional<std::string_view> plain_string() noexcept {
    if (at_ == end_ || *at_ != '"') return std::nullopt;
    const char* const begin = ++at_;
    while (at_ != end_ && is_plain(*at_)) ++at_;
    const std::string_view text(begin, static_cast<std::size_t>(at_ - begin));
    return take('"') ? std::optional(text) : std::nullopt;
  }
  /// From 1 on, of at most 12 digits, which is less than kMaxUnits.
  std::optional<Units> units() noexcept {
    static_assert(kMaxUnits >= 999'999'999'999);
    constexpr int kMostDigits = 12;
    if (at_ == end_ || *at_ < '1' || *at_ > '9') return std::nullopt;
    Units units = 0;
    for (int digits = 0; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
      if (++digits > kMostDigits) return std::nullopt;
      units = units * 10 + static_cast<Units>(*at_ - '0');
    }
    skip_white();
    return units;
  }
  void skip_white() noexcept {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  }
  [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }

 private:
  static bool is_plain(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
  }

  const char* at_;
  const char* end_;
};

}  // namespace

std::optional<PlainCheck> scan_plain_check(std::string_view body) noexcept {
  Scanner in(body);
  in.skip_white();
  if (!in.take('{') || !in.take("\"key\"") || !in.take(':')) return std::nullopt;
  const std::optional<std::string_view> key = in.plain_string();
  if (!key) return std::nullopt;
  PlainCheck check{.key = *key};
  if (in.take(',')) {
    if (!in.take("\"cost\"") || !in.take(':')) return std::nullopt;
    const std::optional<Units> cost = in.units();
    if (!cost) return std::nullopt;
    check.cost = *cost;
  }
  if (!in.take('}') || !in.at_end()) return std::nullopt;
  return check;
}

std::optional<PlainCheck> read_plain_check(const JsonDocument& document, const JsonNode& node) noexcept {
  if (node.kind != JsonNode::Kind::kObject || node.size < 1 || node.size > 2) return std::nullopt;
  const JsonNode* key = document.first_child(node);
  const JsonNode* cost = node.size == 2 ? document.sibling(*key) : nullptr;
  if (cost != nullptr && key->name == "cost") std::swap(key, cost);
  if (key->name != "key" || key->kind != JsonNode::Kind::kString) return std::nullopt;
  if (cost == nullptr) return PlainCheck{.key = key->text};
  if (cost->name != "cost" || cost->kind != JsonNode::Kind::kUnsigned) return std::nullopt;
  if (cost->integer < 1 || cost->integer > kMaxUnits) return std::nullopt;
  return PlainCheck{.key = key->text, .cost = cost->integer};
}

}  // namespace flint::api
