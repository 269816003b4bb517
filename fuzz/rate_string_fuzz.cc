#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "flint/limit.h"

/// Any text is a valid limit, which is read back from its own text, or is refused by one short sentence about the
/// field.
namespace {

using namespace flint;

void require(bool holds, const char* what, const std::string& text) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", what, text.c_str());
  std::abort();
}

void expect_sentence(const Status& status) {
  constexpr std::size_t kLongest = 200;
  require(status.code() == Code::kInvalidArgument && status.field() == "limit", "not about the field",
          status.message());
  require(base::is_printable_ascii(status.message()) && status.message().size() < kLongest, "not a sentence",
          status.message());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const Result<Limit> limit = parse_limit(text);
  if (!limit.ok()) {
    expect_sentence(limit.status());
    return 0;
  }
  require(limit->window_count() <= kMaxWindows && validate_limit(*limit).ok(), "valid", std::string(text));
  const std::string shortest = format_limit(*limit);
  const Result<Limit> back = parse_limit(shortest);
  require(back.ok() && *back == *limit, "read back", shortest);
  // Several are shown with a space after each comma.
  require(shortest.size() <= size + limit->further.size(), "not the shortest", shortest);
  return 0;
}
