#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "http/request_reader.h"

/// Bytes of a connection, read as requests: never beyond what came, never too much kept, and the same requests and the
/// same refusal however the bytes were cut.
///
/// The input is one byte, from which the cuts are drawn, and what the client sends.
namespace {

using namespace flint::http;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

/// All that a reader says of some bytes.
using Transcript = std::vector<std::string>;

void require_sound(const RequestHead& head) {
  require(head.path.find_first_of(std::string_view(" \r\n\0", 4)) == std::string_view::npos, "a path that is none");
  require(head.query.find_first_of(std::string_view(" \r\n\0", 4)) == std::string_view::npos, "a query that is none");
  require(head.http_1_0 || head.host.has_value(), "a request without a host");
  require(head.framing != RequestHead::Framing::kChunked || !head.http_1_0, "chunks in HTTP/1.0");
}

void require_known(const BadRequest& error) {
  constexpr std::array kStatuses{400, 413, 414, 417, 431, 501, 505};
  require(std::find(kStatuses.begin(), kStatuses.end(), error.status) != kStatuses.end(), "a status of no table");
  require(!error.code.empty() && !error.message.empty(), "a refusal that says nothing");
}

std::string describe(const RequestReader& reader) {
  const RequestHead& head = reader.head();
  std::string text = std::to_string(static_cast<int>(head.method)) + std::to_string(static_cast<int>(head.framing)) +
                     (head.keep_alive ? "k" : "c") + (head.origin ? "o" : "-") + (head.is_head_method ? "h" : "-");
  for (const std::string_view part : {head.path, head.query, reader.body()}) text.append(1, '\n').append(part);
  return text;
}

/// Gives `bytes` to a reader in pieces of the sizes that `next_size` says.
template <typename NextSize>
Transcript read_all(std::string_view bytes, NextSize next_size) {
  Transcript transcript;
  RequestReader reader;
  while (true) {
    const RequestReader::Step step = reader.next();
    require(reader.next() == step, "asking again changed the answer");
    switch (step) {
      case RequestReader::Step::kNeedsMore: {
        if (bytes.empty()) {
          transcript.emplace_back(reader.has_begun() ? "begun" : "idle");
          return transcript;
        }
        const std::span<char> space = reader.space();
        require(!space.empty(), "more is needed, and there is no space for it");
        const std::size_t size = std::min({next_size(), space.size(), bytes.size()});
        std::memcpy(space.data(), bytes.data(), size);
        reader.filled(size);
        bytes.remove_prefix(size);
        break;
      }
      case RequestReader::Step::kHead:
        require_sound(reader.head());
        reader.read_body();
        break;
      case RequestReader::Step::kRequest:
        require(reader.body().size() <= flint::api::kMaxBodyBytes, "a body over the limit");
        transcript.push_back(describe(reader));
        reader.finish();
        break;
      case RequestReader::Step::kBad:
        require_known(reader.error());
        transcript.emplace_back(reader.error().message);
        return transcript;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Transcript whole = read_all(bytes, [] { return SIZE_MAX; });
  // 0 is byte by byte; else pieces of up to so many bytes.
  std::uint32_t state = data[0];
  const auto next_size = [&state, most = data[0]]() -> std::size_t {
    state = state * 1664525 + 1013904223;
    return 1 + (state >> 16) % (most + 1U);
  };
  require(read_all(bytes, next_size) == whole, "cut in another way, the bytes are other requests");
  return 0;
}
