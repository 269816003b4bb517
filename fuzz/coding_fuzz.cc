#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/assert.h"
#include "base/coding.h"
#include "base/utf8.h"
#include "flint/limit.h"

/// Bytes that may be anything: what Reader accepts is what Writer would write, byte for byte, and what is accepted as
/// text is text.
namespace {

using flint::base::Reader;
using flint::base::Writer;

constexpr std::size_t kLongest = 4096;

/// Reads items as the bytes themselves say, and writes each one back.
void read_and_write_back(std::span<const std::byte> in) {
  std::array<std::byte, kLongest> buffer;
  Writer writer(buffer);
  Reader reader(in);
  while (reader.ok() && reader.left() > 0) {
    const auto kind = reader.fixed<std::uint8_t>();
    writer.fixed(kind);
    switch (kind % 4) {
      case 0:
        writer.varint(reader.varint());
        break;
      case 1:
        writer.fixed(reader.fixed<std::int64_t>());
        break;
      case 2:
        writer.fixed(reader.fixed<std::uint32_t>());
        break;
      default:
        writer.text(reader.text());
    }
  }
  if (!reader.done()) {
    FLINT_ASSERT(reader.fixed<std::uint64_t>() == 0 && reader.varint() == 0 && reader.text().empty());
    return;
  }
  FLINT_ASSERT(writer.ok());
  FLINT_ASSERT(writer.written().size() == in.size());
  FLINT_ASSERT(in.empty() || std::memcmp(writer.written().data(), in.data(), in.size()) == 0);
}

void check_text(std::string_view text) {
  namespace base = flint::base;
  const bool valid = base::is_valid_utf8(text);
  FLINT_ASSERT(valid == (base::find_invalid_utf8(text) == text.size()));
  FLINT_ASSERT(!base::is_printable_ascii(text) || (valid && base::find_control_character(text) == text.size()));
  if (flint::validate_key(text).ok()) {
    FLINT_ASSERT(valid && !base::is_blank(text) && text.size() <= flint::kMaxKeyBytes);
    FLINT_ASSERT(base::find_control_character(text) == text.size());
  }
  if (const auto per = flint::parse_period(text); per.ok()) {
    FLINT_ASSERT(flint::validate_limit({.rate = 1, .per = *per}).ok());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size > kLongest) return 0;
  read_and_write_back(std::as_bytes(std::span(bytes, size)));
  check_text({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
