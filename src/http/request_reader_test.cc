#include "http/request_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "testing/seed.h"

namespace flint::http {
namespace {

/// All that a reader said of some bytes: what two ways of cutting them up must agree on.
struct Transcript {
  struct Request {
    std::string target;
    std::string body;
    friend bool operator==(const Request&, const Request&) = default;
  };
  std::vector<Request> requests;
  int error = 0;
  std::string message;
  bool left_over = false;
  friend bool operator==(const Transcript&, const Transcript&) = default;
};

/// Gives `bytes` to a reader in pieces that `next_size` chooses.
template <typename NextSize>
Transcript read_all(std::string_view bytes, NextSize next_size) {
  Transcript transcript;
  RequestReader reader;
  for (;;) {
    switch (reader.next()) {
      case RequestReader::Step::kNeedsMore: {
        if (bytes.empty()) {
          transcript.left_over = reader.has_begun();
          return transcript;
        }
        const std::span<char> space = reader.space();
        EXPECT_FALSE(space.empty());
        const std::size_t size = std::min({next_size(), space.size(), bytes.size()});
        std::memcpy(space.data(), bytes.data(), size);
        reader.filled(size);
        bytes.remove_prefix(size);
        break;
      }
      case RequestReader::Step::kHead:
        reader.read_body();
        break;
      case RequestReader::Step::kRequest: {
        const RequestHead& head = reader.head();
        transcript.requests.push_back(
            {std::string(head.path) + "?" + std::string(head.query), std::string(reader.body())});
        reader.finish();
        break;
      }
      case RequestReader::Step::kBad:
        transcript.error = reader.error().status;
        transcript.message = reader.error().message;
        return transcript;
    }
  }
}

Transcript read_whole(std::string_view bytes) {
  return read_all(bytes, [] { return SIZE_MAX; });
}

std::string head(std::string_view fields = "") {
  return "POST /p HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

std::string chunked(std::string_view body) { return head("Transfer-Encoding: chunked\r\n") + std::string(body); }

TEST(RequestReader, ReadsPipelinedRequestsOfEveryFraming) {
  const std::string bytes = "GET /a?x=1&y HTTP/1.1\r\nHost: h\r\n\r\n" + head("Content-Length: 5\r\n") + "hello" +
                            chunked("3;ext=\"v\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n") +
                            "GET http://h/b HTTP/1.0\r\n\r\n";
  const Transcript transcript = read_whole(bytes);
  EXPECT_EQ(transcript.error, 0) << transcript.message;
  EXPECT_EQ(transcript.requests, (std::vector<Transcript::Request>{
                                     {"/a?x=1&y", ""}, {"/p?", "hello"}, {"/p?", "abc0123456789"}, {"/b?", ""}}));
  EXPECT_FALSE(transcript.left_over);
}

TEST(RequestReader, TakesOneEmptyLineBeforeARequest) {
  EXPECT_EQ(read_whole("\r\n" + head()).requests.size(), 1U);
  EXPECT_EQ(read_whole(head() + "\r\n" + head()).requests.size(), 2U);
  EXPECT_EQ(read_whole("\r\n\r\n" + head()).error, 400);
}

TEST(RequestReader, AllowsWhatIsJustSmallEnough) {
  const std::string path(kMaxRequestLineBytes - std::strlen("GET / HTTP/1.1\r\n"), 'a');
  EXPECT_EQ(read_whole("GET /" + path + " HTTP/1.1\r\nHost: h\r\n\r\n").error, 0);
  EXPECT_EQ(read_whole("GET /a" + path + " HTTP/1.1\r\nHost: h\r\n\r\n").error, 414);

  const std::string filler(kMaxHeadBytes - head("X: \r\n").size(), 'x');
  EXPECT_EQ(read_whole(head("X: " + filler + "\r\n")).error, 0);
  EXPECT_EQ(read_whole(head("X: x" + filler + "\r\n")).error, 431);

  std::string fields;
  for (std::size_t i = 1; i < kMaxFields; ++i) fields += "A: b\r\n";
  EXPECT_EQ(read_whole(head(fields)).error, 0);
  EXPECT_EQ(read_whole(head(fields + "A: b\r\n")).error, 431);

  const std::string body(api::kMaxBodyBytes, 'b');
  EXPECT_EQ(read_whole(head("Content-Length: 262144\r\n") + body).requests.at(0).body, body);
  EXPECT_EQ(read_whole(chunked("3FFFF\r\n" + body.substr(1) + "\r\n1\r\nb\r\n0\r\n\r\n")).requests.at(0).body, body);
  EXPECT_EQ(read_whole(chunked("40000\r\n" + body + "\r\n1\r\nb\r\n0\r\n\r\n")).error, 413);
}

// Such a length aborted the process on an assertion, which bytes of a client must never reach.
TEST(RequestReader, RefusesADeclaredLengthAboveTheLimit) {
  for (const char* length : {"262145", "2621440", "18446744073709551615"}) {
    EXPECT_EQ(read_whole(head("Content-Length: " + std::string(length) + "\r\n") + "b").error, 413) << length;
  }
}

TEST(RequestReader, RefusesAHeadThatNeverEndsBeforeItEnds) {
  EXPECT_EQ(read_whole(std::string(kMaxRequestLineBytes + 1, 'G')).error, 414);
  EXPECT_EQ(read_whole("GET / HTTP/1.1\r\nX: " + std::string(kMaxHeadBytes, 'x')).error, 431);
}

TEST(RequestReader, RefusesBadRequestLines) {
  for (const auto& [line, status] :
       std::initializer_list<std::pair<std::string, int>>{{"GET /", 400},
                                                          {"GET  / HTTP/1.1", 400},
                                                          {"GET / HTTP/1.1 ", 400},
                                                          {" GET / HTTP/1.1", 400},
                                                          {"GET\t/ HTTP/1.1", 400},
                                                          {"G(T / HTTP/1.1", 400},
                                                          {"GET a HTTP/1.1", 400},
                                                          {"GET * HTTP/1.1", 400},
                                                          {"GET /a\x01 HTTP/1.1", 400},
                                                          {"GET /\x80 HTTP/1.1", 400},
                                                          {"GET /a#b HTTP/1.1", 400},
                                                          {std::string("GET /\0 HTTP/1.1", 15), 400},
                                                          {"GET /\r HTTP/1.1", 400},
                                                          {"GET https://h/ HTTP/1.1", 400},
                                                          {"GET http:/// HTTP/1.1", 400},
                                                          {"GET http://u@h/ HTTP/1.1", 400},
                                                          {"GET http://h HTTP/1.1", 400},
                                                          {"GET http://other/ HTTP/1.1", 400},
                                                          {"GET / http/1.1", 400},
                                                          {"GET / HTTP/1", 400},
                                                          {"GET / HTTP/11.1", 400},
                                                          {"GET / HTTP/1.1x", 400},
                                                          {"GET / HTTP/1.2", 505},
                                                          {"GET / HTTP/0.9", 505},
                                                          {"GET / HTTP/2.0", 505},
                                                          {"PRI * HTTP/2.0", 505}}) {
    EXPECT_EQ(read_whole(line + "\r\nHost: h\r\n\r\n").error, status) << line;
  }
}

TEST(RequestReader, RefusesBadFields) {
  for (const auto& [fields, status] : std::initializer_list<std::pair<std::string, int>>{
           {"A : b\r\n", 400},
           {" A: b\r\n", 400},
           {"A: b\r\n c\r\n", 400},
           {"A: b\r\n\tc\r\n", 400},
           {": b\r\n", 400},
           {"A\r\n", 400},
           {"A(: b\r\n", 400},
           {"A: b\n", 400},
           {"A: b\rc\r\n", 400},
           {std::string("A: b\0\r\n", 7), 400},
           {"A: b\x7f\r\n", 400},
           {"A: b\x1b[1m\r\n", 400},
           {"A\xc3\xa9: b\r\n", 400},
           {"Host: h\r\n", 400},
           {"Content-Length:\r\n", 400},
           {"Content-Length: +1\r\n", 400},
           {"Content-Length: -1\r\n", 400},
           {"Content-Length: 0x1\r\n", 400},
           {"Content-Length: 1,1\r\n", 400},
           {"Content-Length: 1 1\r\n", 400},
           {"Content-Length: 1.0\r\n", 400},
           {"Content-Length: 18446744073709551616\r\n", 400},
           {"Content-Length: 0\r\nContent-Length: 0\r\n", 400},
           {"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400},
           {"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400},
           {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
           {"Transfer-Encoding: chunked, chunked\r\n", 400},
           {"Transfer-Encoding: chunked, gzip\r\n", 400},
           {"Transfer-Encoding: chunked,\r\n", 400},
           {"Transfer-Encoding: ,chunked\r\n", 400},
           {"Transfer-Encoding:\r\n", 400},
           {"Transfer-Encoding: gzip\r\n", 501},
           {"Transfer-Encoding: gzip, chunked\r\n", 501},
           {"Transfer-Encoding: identity\r\n", 501},
           {"Transfer-Encoding: xchunked\r\n", 501},
           {"Transfer-Encoding: chunked;q=1\r\n", 501},
           {"Transfer-Encoding: \"chunked\"\r\n", 501},
           {"Authorization: Bearer a\r\nAuthorization: Bearer a\r\n", 400},
           {"Content-Type: a/b\r\nContent-Type: a/b\r\n", 400}}) {
    EXPECT_EQ(read_whole(head(fields)).error, status) << fields;
  }
  EXPECT_EQ(read_whole("GET / HTTP/1.1\r\n\r\n").error, 400) << "no Host";
  EXPECT_EQ(read_whole("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").error, 400);
  for (const char* host :
       {"", "a b", "a/b", "a@b", "h:", "h:x", "h:65536", "h:1:2", "[::1", "[]", "[::g]", "a,b", "%68"}) {
    const bool valid = std::string_view(host) == "h:";
    EXPECT_EQ(read_whole("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").error, valid ? 0 : 400) << host;
  }
}

TEST(RequestReader, RefusesBadChunks) {
  const std::string long_extension = "1;" + std::string(kMaxChunkLineBytes, 'e');
  const std::string long_trailer = "T: " + std::string(kMaxTrailerBytes, 't');
  std::string many_trailers;
  for (std::size_t i = 0; i < kMaxTrailerBytes / 6 + 1; ++i) many_trailers += "T: t\r\n";
  for (const std::string& body :
       {std::string("x\r\n"), std::string("0x1\r\na\r\n"), std::string("-1\r\n"), std::string("+1\r\na\r\n"),
        std::string("1\na\r\n"), std::string("1\r\na\n"), std::string("1\r\nab\r\n"), std::string("1\r\na0\r\n"),
        std::string("\r\n"), std::string(" 1\r\na\r\n"), std::string("1 \r\na\r\n"), std::string("1 ;e\r\na\r\n"),
        // Malformed extensions were taken for none.
        std::string("1;\r\na\r\n"), std::string("1;;e\r\na\r\n"), std::string("1;e;\r\na\r\n"),
        std::string("1; e\r\na\r\n"), std::string("1;e \r\na\r\n"), std::string("1;=x\r\na\r\n"),
        std::string("1;e=\r\na\r\n"), std::string("1;e=x=y\r\na\r\n"), std::string("1;e=\"\r\na\r\n"),
        std::string("1;e=\"x\r\na\r\n"), std::string("1;e=x\"\r\na\r\n"), std::string("1;e=\"x\"y\r\na\r\n"),
        std::string("1;e=\"x\\\"\r\na\r\n"), std::string("1;\"e\"\r\na\r\n"), std::string("1;e=(\r\na\r\n"),
        std::string("1;e\x01\r\na\r\n"), std::string("00000000000000001\r\na\r\n"), long_extension + "\r\na\r\n",
        std::string("0\r\nT : t\r\n\r\n"), std::string("0\r\n T: t\r\n\r\n"), std::string("0\r\nT: t\n\r\n"),
        std::string("0\r\nT\r\n\r\n"), "0\r\n" + long_trailer + "\r\n\r\n", "0\r\n" + many_trailers + "\r\n"}) {
    EXPECT_EQ(read_whole(chunked(body)).error, 400) << body.substr(0, 40);
  }
  EXPECT_EQ(read_whole(chunked("ffffffffffffffff\r\n")).error, 413);
}

TEST(RequestReader, ReadsChunksWithEveryKindOfExtension) {
  for (const char* extensions :
       {";e", ";e=x", ";e=\"\"", ";e=\"a b;c=\\\"d\\\\\"", ";a;b=1;c=\"2\";d", ";e=\"\xc3\xa9\\;\""}) {
    const std::string body = std::string("1") + extensions + "\r\na\r\n0" + extensions + "\r\n\r\n";
    const Transcript transcript = read_whole(chunked(body));
    EXPECT_EQ(transcript.error, 0) << extensions << transcript.message;
  }
}

TEST(RequestReader, SaysTheSameHoweverTheBytesAreCutUp) {
  const std::uint64_t seed = testing::test_seed();
  std::mt19937_64 random(seed);
  // Valid requests of every framing, of which every third run changes, drops or doubles some bytes.
  const std::vector<std::string> requests = {"GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n",
                                             head("Content-Length: 5\r\n") + "hello",
                                             head("Content-Length: 3000\r\n") + std::string(3000, 'z'),
                                             chunked("3;e\r\nabc\r\n0A\r\n0123456789\r\n0\r\nT: t\r\n\r\n"),
                                             "GET http://h/b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                                             "\r\n" + head("X: " + std::string(5000, 'x') + "\r\n"),
                                             "GET /" + std::string(7000, 'p') + " HTTP/1.1\r\nHost: h\r\n\r\n"};
  const std::string odd_bytes("\r\n \t:;,\0\x7f\x80x0", 13);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (std::uint64_t n = random() % 12 + 1; n > 0; --n) bytes += requests[random() % requests.size()];
    for (std::uint64_t n = round % 3 == 0 ? 0 : random() % 4; n > 0; --n) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = odd_bytes[random() % odd_bytes.size()];
          break;
        case 1:
          bytes.erase(at, random() % 4 + 1);
          break;
        default:
          bytes.insert(at, bytes.substr(at, random() % 4 + 1));
      }
    }
    const Transcript whole = read_whole(bytes);
    const std::uint64_t largest = std::uint64_t{1} << (random() % 12);
    ASSERT_EQ(read_all(bytes, [&] { return static_cast<std::size_t>(random() % largest + 1); }), whole)
        << "round " << round << " of FLINT_TEST_SEED=" << seed;
    if (round % 10 == 0) {
      ASSERT_EQ(read_all(bytes, [] { return std::size_t{1}; }), whole) << "round " << round << ", byte by byte";
    }
  }
}

}  // namespace
}  // namespace flint::http
