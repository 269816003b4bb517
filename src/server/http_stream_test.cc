#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "testing/cuts.h"
#include "testing/test_server.h"

/// What the server makes of a stream of bytes on one connection: where one request ends and the next begins, what a
/// body may hide, and what a client leaves behind that goes away. Every row is sent whole, byte by byte and a line at a
/// time.
namespace flint::server {
namespace {

using testing::at_line_ends;
using testing::byte_by_byte;
using testing::Cut;
using ::testing::ElementsAreArray;
using testing::get;
using testing::post;
using testing::RawResponse;
using testing::TestClient;
using testing::TestServer;
using testing::whole;

enum class Then : std::uint8_t {
  kGoesOn,
  kCloses,
  /// The client says that it sends no more: the server answers what is whole and closes.
  kEnds,
};

struct Row {
  std::string name;
  std::string bytes;
  /// Of the answers, in order, and there are no others.
  std::vector<int> statuses;
  Then then;
};

constexpr Then kGoesOn = Then::kGoesOn;
constexpr Then kCloses = Then::kCloses;
constexpr Then kEnds = Then::kEnds;

const std::string kBody = R"({"key":"k"})";

std::string health() { return get("/v1/health"); }
std::string check() { return post("/v1/check", kBody); }

std::string json_post(std::string_view fields, std::string_view body) {
  return "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + std::string(fields) +
         "\r\n" + std::string(body);
}

std::string sized(std::string_view length, std::string_view body = kBody) {
  return json_post("Content-Length:" + std::string(length) + "\r\n", body);
}

std::string coded(std::string_view coding, std::string_view body = "b\r\n{\"key\":\"k\"}\r\n0\r\n\r\n") {
  return json_post("Transfer-Encoding:" + std::string(coding) + "\r\n", body);
}

std::string chunked(std::string_view chunks) { return coded(" chunked", chunks); }

std::string with_field(std::string_view field) { return get("/v1/health", std::string(field) + "\r\n"); }

std::string with_host(std::string_view host) {
  return "GET /v1/health HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
}

std::string with_version(std::string_view version) {
  return "GET /v1/health " + std::string(version) + "\r\nHost: localhost\r\n\r\n";
}

std::string repeated(std::string_view bytes, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += bytes;
  return all;
}

std::vector<Row> pipelining_rows() {
  const std::string text = "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
  return {
      {"two", health() + health(), {200, 200}, kGoesOn},
      {"fifty", repeated(check(), 50), std::vector<int>(50, 200), kGoesOn},
      {"of both methods", health() + check() + health(), {200, 200, 200}, kGoesOn},
      {"over workers, in order",
       get("/v1/limits") + check() + get("/v1/nothing") + get("/v1/history/k") + health(),
       {200, 200, 404, 200, 200},
       kGoesOn},
      {"behind a flush", post("/v1/log/flush", "") + check(), {200, 200}, kGoesOn},
      {"behind a flush without a length",
       "POST /v1/log/flush HTTP/1.1\r\nHost: localhost\r\n\r\n" + check(),
       {200, 200},
       kGoesOn},
      {"behind an unknown path", get("/nothing") + health(), {404, 200}, kGoesOn},
      {"behind a wrong method", "PUT /v1/limits HTTP/1.1\r\nHost: localhost\r\n\r\n" + health(), {405, 200}, kGoesOn},
      {"behind bad JSON", post("/v1/check", "{") + check(), {400, 200}, kGoesOn},
      {"behind an unknown limit", post("/v1/check", R"({"key":"nobody"})") + check(), {404, 200}, kGoesOn},
      {"behind an empty body", sized(" 0", "") + check(), {400, 200}, kGoesOn},
      {"behind a missing length", json_post("", "") + check(), {411}, kCloses},
      {"behind a web page", with_field("Origin: null") + health(), {403, 200}, kGoesOn},
      {"behind a GET with a body",
       get("/v1/health", "Content-Type: application/json\r\nContent-Length: 2\r\n") + "{}" + health(),
       {200, 200},
       kGoesOn},
      {"behind chunks", coded(" chunked") + health(), {200, 200}, kGoesOn},
      {"behind trailers", chunked("b\r\n{\"key\":\"k\"}\r\n0\r\nA: b\r\n\r\n") + health(), {200, 200}, kGoesOn},
      {"behind an expectation",
       json_post("Content-Length: 11\r\nExpect: 100-continue\r\n", kBody) + health(),
       {100, 200, 200},
       kGoesOn},
      {"with an empty line between", health() + "\r\n" + health(), {200, 200}, kGoesOn},
      {"with two empty lines between", health() + "\r\n\r\n" + health(), {200, 400}, kCloses},
      {"with a bare line feed between", health() + "\n" + health(), {200, 400}, kCloses},
      {"with a blank between", health() + " " + health(), {200, 400}, kCloses},
      {"with a NUL between", health() + std::string(1, '\0') + health(), {200, 400}, kCloses},
      {"with rubbish between", health() + "rubbish\r\n\r\n" + health(), {200, 400}, kCloses},
      {"none behind Connection: close", with_field("Connection: close") + health(), {200}, kCloses},
      {"none behind HTTP/1.0", with_version("HTTP/1.0") + health(), {200}, kCloses},
      {"none behind a body that was not read", health() + text + health(), {200, 415}, kCloses},
      {"none behind a body that is too large", sized(" 262145", "") + health(), {413}, kCloses},
      {"none behind another host", with_host("example.org") + health(), {421}, kCloses},
      {"none behind an unknown method", "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n" + health(), {501}, kCloses},
  };
}

std::vector<Row> smuggling_rows() {
  const std::string hidden = health();
  const std::string length = std::to_string(hidden.size());
  return {
      {"length and coding",
       json_post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden),
       {400},
       kCloses},
      {"coding and length",
       json_post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n" + hidden),
       {400},
       kCloses},
      {"two different lengths", json_post("Content-Length: 11\r\nContent-Length: 12\r\n", kBody), {400}, kCloses},
      {"a request in the body of a GET",
       get("/v1/health", "Content-Length: " + length + "\r\n") + hidden,
       {415},
       kCloses},
      {"a request as a JSON body", sized(" " + length, hidden), {400}, kGoesOn},
      {"a length that is too small", sized(" 11", kBody + "x") + health(), {200, 501}, kCloses},
      {"a length that is too large", sized(" 13") + health(), {400, 501}, kCloses},
      {"something behind the last chunk", chunked("b\r\n" + kBody + "\r\n0\r\n\r\nX") + health(), {200, 501}, kCloses},
      {"a coding in the trailers",
       chunked("b\r\n" + kBody + "\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n") + health(),
       {200, 200},
       kGoesOn},
      {"a length in the trailers",
       chunked("b\r\n" + kBody + "\r\n0\r\nContent-Length: 99\r\n\r\n") + health(),
       {200, 200},
       kGoesOn},
      {"length with an underscore", json_post("Content_Length: 11\r\n", kBody) + health(), {411}, kCloses},
      {"coding with an underscore", json_post("Transfer_Encoding: chunked\r\n", "0\r\n\r\n"), {411}, kCloses},
      {"coding under another name", json_post("X-Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), {411}, kCloses},
      {"blank before the colon of a length", json_post("Content-Length : 11\r\n", kBody), {400}, kCloses},
      {"blank before the colon of a coding", json_post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), {400}, kCloses},
      {"length on a folded line", sized("\r\n 11"), {400}, kCloses},
      {"coding on a folded line", coded("\r\n chunked"), {400}, kCloses},
      {"length behind a bare line feed", json_post("A: b\nContent-Length: 11\r\n", kBody), {400}, kCloses},
      {"length behind a bare CR", json_post("A: b\rContent-Length: 11\r\n", kBody), {400}, kCloses},
      {"coding behind a NUL", coded(std::string(1, '\0') + "chunked"), {400}, kCloses},
      {"coding behind a vertical tab", coded("\x0b" + std::string("chunked")), {400}, kCloses},
      {"a Host after the first", get("/v1/health", "host: example.org\r\n"), {400}, kCloses},
      {"a URL of another host", "GET http://example.org/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}, kCloses},
      {"a URL without a host", "GET http:///v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}, kCloses},
  };
}

std::vector<Row> encoding_rows() {
  const std::string last = "\r\n" + kBody + "\r\n0\r\n\r\n";
  return {
      {"length behind a tab", sized("\t11"), {200}, kGoesOn},
      {"length without a blank", sized("11"), {200}, kGoesOn},
      {"length before blanks", sized(" 11 \t"), {200}, kGoesOn},
      {"length with leading zeros", sized(" 0011"), {200}, kGoesOn},
      {"empty length", sized(""), {400}, kCloses},
      {"length of minus zero", sized(" -0"), {400}, kCloses},
      {"length with a point", sized(" 11.0"), {400}, kCloses},
      {"length with an exponent", sized(" 1e1"), {400}, kCloses},
      {"length with an underscore inside", sized(" 1_1"), {400}, kCloses},
      {"length with a parameter", sized(" 11;q=1"), {400}, kCloses},
      {"length and a NUL", sized(" 11" + std::string(1, '\0')), {400}, kCloses},
      {"length of 2^64 and 11", sized(" 18446744073709551627"), {400}, kCloses},
      {"length of 2^63", sized(" 9223372036854775808"), {413}, kCloses},
      {"length in quotes", sized(" \"11\""), {400}, kCloses},
      {"coding in capitals", coded(" CHUNKED"), {200}, kGoesOn},
      {"coding between blanks", coded("\t chunked \t"), {200}, kGoesOn},
      {"empty coding", coded(""), {400}, kCloses},
      {"comma before the coding", coded(" ,chunked"), {400}, kCloses},
      {"comma behind the coding", coded(" chunked,"), {400}, kCloses},
      {"identity", coded(" identity"), {501}, kCloses},
      {"coding with a parameter", coded(" chunked;q=1"), {501}, kCloses},
      {"coding in quotes", coded(" \"chunked\""), {501}, kCloses},
      {"chunk size with leading zeros", chunked("000b" + last), {200}, kGoesOn},
      {"chunk size in capitals", chunked("B" + last), {200}, kGoesOn},
      {"empty extension", chunked("b;" + last), {400}, kCloses},
      {"many small chunks",
       chunked("1\r\n{\r\n" + repeated("1\r\n \r\n", 200) + "a\r\n\"key\":\"k\"}\r\n0\r\n\r\n"),
       {200},
       kGoesOn},
      {"last chunk of many zeros", chunked("b\r\n" + kBody + "\r\n0000\r\n\r\n"), {200}, kGoesOn},
      {"no chunk size", chunked("\r\n"), {400}, kCloses},
      {"negative chunk size", chunked("-b" + last), {400}, kCloses},
      {"signed chunk size", chunked("+b" + last), {400}, kCloses},
      {"chunk size of 17 digits", chunked("0000000000000000b" + last), {400}, kCloses},
      {"chunk size of 2^64 - 1", chunked("ffffffffffffffff\r\n"), {413}, kCloses},
      {"chunk size with an underscore", chunked("0_b" + last), {400}, kCloses},
      {"tab behind a chunk size", chunked("b\t" + last), {400}, kCloses},
      {"CR inside a chunk size", chunked("b\r;x" + last), {400}, kCloses},
      {"NUL in an extension", chunked("b;" + std::string(1, '\0') + last), {400}, kCloses},
      {"bare line feed behind an extension", chunked("b;x\n" + kBody + "\r\n0\r\n\r\n"), {400}, kCloses},
      {"bare line feed behind a chunk", chunked("b\r\n" + kBody + "\n0\r\n\r\n"), {400}, kCloses},
      {"chunk shorter than its size", chunked("c" + last), {400}, kCloses},
      {"bare line feed behind a trailer", chunked("b\r\n" + kBody + "\r\n0\r\nA: b\n\r\n"), {400}, kCloses},
      {"folded trailer", chunked("b\r\n" + kBody + "\r\n0\r\nA: b\r\n c\r\n\r\n"), {400}, kCloses},
  };
}

std::vector<Row> size_rows() {
  const auto line_of = [](std::size_t bytes) {
    return "GET /" + std::string(bytes - std::string_view("GET / HTTP/1.1\r\n").size(), 'x') +
           " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  };
  const auto head_of = [](std::size_t bytes) {
    return with_field("A: " + std::string(bytes - get("/v1/health").size() - 5, 'x'));
  };
  const auto fields_of = [](int count) { return get("/v1/health", repeated("A: b\r\n", count - 1)); };
  const auto body_of = [](std::size_t bytes) { return kBody + std::string(bytes - kBody.size(), ' '); };
  constexpr std::size_t kLine = 8 * 1024;
  constexpr std::size_t kHead = 16 * 1024;
  constexpr std::size_t kLargestBody = 256 * 1024;
  return {
      {"longest request line", line_of(kLine), {404}, kGoesOn},
      {"a byte more of a request line", line_of(kLine + 1), {414}, kCloses},
      {"a method without end", std::string(kLine + 1, 'G'), {414}, kCloses},
      {"largest head", head_of(kHead), {200}, kGoesOn},
      {"a byte more of a head", head_of(kHead + 1), {431}, kCloses},
      {"two of the largest heads", head_of(kHead) + head_of(kHead), {200, 200}, kGoesOn},
      {"most fields", fields_of(64), {200}, kGoesOn},
      {"a field more", fields_of(65), {431}, kCloses},
      {"long field name", with_field(std::string(1000, 'A') + ": b"), {200}, kGoesOn},
      {"two of the largest bodies", repeated(post("/v1/check", body_of(kLargestBody)), 2), {200, 200}, kGoesOn},
      {"largest body in one chunk", chunked("40000\r\n" + body_of(kLargestBody) + "\r\n0\r\n\r\n"), {200}, kGoesOn},
      {"a chunk more than the largest body",
       chunked("3ffff\r\n" + body_of(kLargestBody - 1) + "\r\n2\r\n  \r\n0\r\n\r\n"),
       {413},
       kCloses},
  };
}

std::vector<Row> host_and_version_rows() {
  std::vector<Row> rows;
  for (const char* host :
       {"LOCALHOST", "localhost:", "localhost:0", "127.0.0.1:65535", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]:7878"}) {
    rows.push_back({std::string("loopback ") + host, with_host(host), {200}, kGoesOn});
  }
  for (const char* host : {"127.0.0.1.example.org", "2130706433", "0x7f.0.0.1", "127.1", "0.0.0.0", "[::]",
                           "[::ffff:10.0.0.1]", "[64:ff9b::127.0.0.1]", "localhost."}) {
    rows.push_back({std::string("no loopback ") + host, with_host(host), {421}, kCloses});
  }
  for (const char* host : {"localhost:65536", "localhost:-1", "[::1", "[]", "local host", "loc\xc3\xa4l", "localhos%74",
                           "localhost#", "localhost\\", "localhost?"}) {
    rows.push_back({std::string("malformed ") + host, with_host(host), {400}, kCloses});
  }
  for (const char* version :
       {"HTTP/1.1 ", "HTTP/01.1", "HTTP/1.10", "HTTP/1.1\r", "HTTP/1,1", "HTTPS/1.1", "HTTP 1.1"}) {
    rows.push_back({std::string("malformed ") + version, with_version(version), {400}, kCloses});
  }
  rows.push_back({"HTTP/3.0", with_version("HTTP/3.0"), {505}, kCloses});
  return rows;
}

std::vector<Row> early_end_rows() {
  const std::string half = check().substr(0, check().size() - 3);
  return {
      {"nothing", "", {}, kEnds},
      {"an empty line", "\r\n", {}, kEnds},
      {"half a method", "GE", {}, kEnds},
      {"a head without its end", "GET /v1/health HTTP/1.1\r\nHost: localhost\r\n", {}, kEnds},
      {"a head without its last byte", health().substr(0, health().size() - 1), {}, kEnds},
      {"a head without its body", sized(" 11", ""), {}, kEnds},
      {"half a body", half, {}, kEnds},
      {"half a chunk size", chunked("b"), {}, kEnds},
      {"half a chunk", chunked("b\r\n{\"k"), {}, kEnds},
      {"chunks without the last", chunked("b\r\n" + kBody + "\r\n"), {}, kEnds},
      {"chunks without their end", chunked("b\r\n" + kBody + "\r\n0\r\n"), {}, kEnds},
      {"an expectation without its body",
       json_post("Content-Length: 11\r\nExpect: 100-continue\r\n", ""),
       {100},
       kEnds},
      {"one", health(), {200}, kEnds},
      {"two", check() + health(), {200, 200}, kEnds},
      {"one and half another", check() + half, {200}, kEnds},
      {"one for a worker", get("/v1/limits"), {200}, kEnds},
      {"a flush", post("/v1/log/flush", ""), {200}, kEnds},
      {"a bad one", "rubbish\r\n\r\n", {400}, kEnds},
      {"one and a bad one", check() + "rubbish\r\n\r\n", {200, 400}, kEnds},
  };
}

class HttpStream : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>(TestServer::defaults(), SyncMode::kBatch);
    const Limit limit{1'000'000'000'000, std::chrono::hours(24), Algorithm::kTokenBucket, std::nullopt};
    ASSERT_TRUE(server_->limiter().limit("k", limit).ok());
  }
  static void TearDownTestSuite() { server_.reset(); }

 protected:
  static void run(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      for (const Cut& cut : {Cut(whole), Cut(byte_by_byte), Cut(at_line_ends)}) examine(row, cut);
    }
  }

 private:
  static void examine(const Row& row, const Cut& cut) {
    TestClient client = server_->connect();
    client.set_no_delay();
    for (const std::string& piece : cut(row.bytes)) {
      // A server that has seen enough need not take the rest.
      if (!client.send(piece)) break;
    }
    if (row.then == kEnds) client.finish_sending();
    EXPECT_THAT(statuses(client, row), ElementsAreArray(row.statuses));
  }

  static std::vector<int> statuses(TestClient& client, const Row& row) {
    // The answer to one more request shows that there is no other before it.
    constexpr int kUnknownPath = 404;
    if (row.then == kGoesOn) client.send(get("/the/end"));
    std::vector<int> statuses;
    while (const std::optional<RawResponse> response = client.receive()) {
      if (response->status == kUnknownPath && row.then == kGoesOn && statuses.size() == row.statuses.size()) {
        return statuses;
      }
      statuses.push_back(response->status);
    }
    EXPECT_NE(row.then, kGoesOn) << "the connection is closed";
    EXPECT_TRUE(client.at_end()) << "the connection is still open";
    return statuses;
  }

  inline static std::unique_ptr<TestServer> server_;
};

TEST_F(HttpStream, OfPipelines) { run(pipelining_rows()); }
TEST_F(HttpStream, OfSmugglers) { run(smuggling_rows()); }
TEST_F(HttpStream, OfEncodings) { run(encoding_rows()); }
TEST_F(HttpStream, OfSizes) { run(size_rows()); }
TEST_F(HttpStream, OfHostsAndVersions) { run(host_and_version_rows()); }
TEST_F(HttpStream, OfClientsThatLeaveEarly) { run(early_end_rows()); }

}  // namespace
}  // namespace flint::server
