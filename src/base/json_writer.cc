#include "base/json_writer.h"

#include "base/byte_words.h"
#include "base/rfc3339.h"

namespace flint::base {
namespace {

// 0x7f may stand in JSON as it is. It is escaped all the same, because answers are shown on terminals and in logs.
constexpr bool needs_escape(char c) noexcept { return c == '"' || c == '\\' || (c >= 0 && c < 0x20) || c == 0x7f; }

/// Whether there are eight bytes at `i`, none of which needs an escape.
bool is_plain_word(std::string_view text, std::size_t i) noexcept {
  if (text.size() - i < sizeof(std::uint64_t)) return false;
  const std::uint64_t word = load_word(text.data() + i);
  return (find_below(word, 0x20) | find_byte(word, '"') | find_byte(word, '\\') | find_byte(word, 0x7f)) == 0;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '\\';
  switch (c) {
    case '"':
    case '\\':
      out += c;
      return;
    case '\n':
      out += 'n';
      return;
    case '\r':
      out += 'r';
      return;
    case '\t':
      out += 't';
      return;
    default:
      out += "u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 0xf];
  }
}

}  // namespace

// Runs of plain bytes are appended in one piece: nearly every key and name has nothing to escape.
void JsonWriter::value(std::string_view text) {
  separate();
  out_ += '"';
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (is_plain_word(text, i)) {
      i += sizeof(std::uint64_t);
      continue;
    }
    if (needs_escape(text[i])) {
      out_.append(text, plain, i - plain);
      append_escaped(out_, text[i]);
      plain = i + 1;
    }
    ++i;
  }
  out_.append(text, plain);
  out_ += '"';
}

void JsonWriter::value(WallTime time) {
  separate();
  char text[kRfc3339Bytes + 2] = {'"'};
  char* const end = put_rfc3339(text + 1, time);
  *end = '"';
  out_.append(text, sizeof(text));
}

}  // namespace flint::base
