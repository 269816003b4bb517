#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/rate_string.h"
#include "base/utf8.h"

/// Any text is a row of valid limits, each of which is read back from its own text, or is refused by one short sentence
/// about the field.
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
  const Result<base::Windows> windows = base::parse_windows(text);
  const Result<Limit> one = parse_limit(text);
  require(one.ok() == (windows.ok() && windows->count == 1), "one limit", std::string(text));
  if (!one.ok()) expect_sentence(one.status());
  if (!windows.ok()) {
    expect_sentence(windows.status());
    return 0;
  }
  require(windows->count >= 1 && windows->count <= base::kMaxWindows, "windows", std::string(text));
  for (std::size_t i = 0; i < windows->count; ++i) {
    const Limit& limit = windows->limits.at(i);
    require(validate_limit(limit).ok(), "valid", std::string(text));
    const std::string shortest = format_limit(limit);
    const Result<Limit> back = parse_limit(shortest);
    require(back.ok() && *back == limit, "read back", shortest);
    require(windows->count > 1 || shortest.size() <= size, "not the shortest", shortest);
  }
  return 0;
}
