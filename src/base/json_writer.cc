#include "base/json_writer.h"

#include "base/rfc3339.h"

namespace flint::base {
namespace {

// 0x7f may stand in JSON as it is. It is escaped all the same, because answers are shown on terminals and in logs.
constexpr bool needs_escape(char c) noexcept { return c == '"' || c == '\\' || (c >= 0 && c < 0x20) || c == 0x7f; }

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
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!needs_escape(text[i])) continue;
    out_.append(text, plain, i - plain);
    append_escaped(out_, text[i]);
    plain = i + 1;
  }
  out_.append(text, plain);
  out_ += '"';
}

void JsonWriter::value(WallTime time) {
  separate();
  out_ += '"';
  out_ += base::format_rfc3339(time);
  out_ += '"';
}

}  // namespace flint::base
