#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "testing/cuts.h"
#include "testing/test_server.h"

/// What the server answers to which bytes: every row is sent whole, byte by byte and a line at a time, and must be
/// answered in the same way.
namespace flint::server {
namespace {

using testing::at_line_ends;
using testing::byte_by_byte;
using testing::Cut;
using testing::get;
using ::testing::HasSubstr;
using testing::post;
using testing::RawResponse;
using testing::TestClient;
using testing::TestServer;
using testing::whole;

enum class To : std::uint8_t { kOpenPort, kTokenPort, kUnixSocket };
enum class Then : std::uint8_t { kGoesOn, kCloses };

struct Row {
  std::string name;
  std::string request;
  int status;
  Then then;
  /// Somewhere in the body.
  std::string says = {};
  /// A field that must be there, with its value.
  std::string field = {};
  std::string value = {};
  To to = To::kOpenPort;
  /// What the type of the answer begins with, if it is not JSON.
  std::string type = {};
};

constexpr Then kGoesOn = Then::kGoesOn;
constexpr Then kCloses = Then::kCloses;

std::string raw(std::string_view line, std::string_view fields = "Host: localhost\r\n") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}

std::string with_token(std::string_view authorization) {
  return get("/v1/health", "Authorization: " + std::string(authorization) + "\r\n");
}

std::string json_post(std::string_view fields, std::string_view body) {
  return "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + std::string(fields) +
         "\r\n" + std::string(body);
}

std::string batch_post(std::string_view fields, std::string_view body) {
  return "POST /v1/check-batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

std::string check(std::string_view body) { return post("/v1/check", body); }

std::vector<Row> framing_rows() {
  const std::string large(17 * 1024, 'x');
  std::string many;
  for (int i = 0; i < 64; ++i) many += "A: b\r\n";
  return {
      {"method with a parenthesis", raw("G(T /v1/health HTTP/1.1"), 400, kCloses, "method"},
      {"no method", raw(" /v1/health HTTP/1.1"), 400, kCloses, "method"},
      {"bare line feeds", "GET /v1/health HTTP/1.1\nHost: localhost\n\n", 400, kCloses, "end with CR LF"},
      {"one bare line feed", "GET /v1/health HTTP/1.1\r\nHost: localhost\n\r\n", 400, kCloses, "end with CR LF"},
      {"NUL in the target", std::string("GET /v1/he\0lth HTTP/1.1\r\n\r\n", 27), 400, kCloses, "target"},
      {"CR in the target", raw("GET /v1/he\rlth HTTP/1.1"), 400, kCloses, "target"},
      {"tab in the target", raw("GET /v1/he\tlth HTTP/1.1"), 400, kCloses, "target"},
      {"fragment in the target", raw("GET /v1/health#x HTTP/1.1"), 400, kCloses, "target"},
      {"bytes above 7F in the target", raw("GET /v1/h\xc3\xa9 HTTP/1.1"), 400, kCloses, "target"},
      {"two spaces", raw("GET  /v1/health HTTP/1.1"), 400, kCloses, ""},
      {"NUL in a field", std::string("GET /v1/health HTTP/1.1\r\nHost: localhost\r\nA: \0\r\n\r\n", 51), 400, kCloses,
       "field"},
      {"CR in a field", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\nA: b\rc\r\n"), 400, kCloses, "field"},
      {"escape character in a field", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\nA: \x1b\r\n"), 400, kCloses,
       "field"},
      {"space before a colon", raw("GET /v1/health HTTP/1.1", "Host : localhost\r\n"), 400, kCloses, "field"},
      {"folded field", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\nA: b\r\n c\r\n"), 400, kCloses, "field"},
      {"blank before the first field", raw("GET /v1/health HTTP/1.1", " Host: localhost\r\n"), 400, kCloses, "field"},
      {"empty field name", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\n: b\r\n"), 400, kCloses, "field"},
      {"odd field name", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\nA@: b\r\n"), 400, kCloses, "field"},
      {"field without a colon", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\nA\r\n"), 400, kCloses, "field"},
      {"HTTP/0.9", "GET /v1/health\r\n", 400, kCloses, "METHOD TARGET VERSION"},
      {"version in lower case", raw("GET /v1/health http/1.1"), 400, kCloses, "version"},
      {"version of one digit", raw("GET /v1/health HTTP/1"), 400, kCloses, "version"},
      {"something behind the version", raw("GET /v1/health HTTP/1.1 x"), 400, kCloses, "version"},
      {"HTTP/1.2", raw("GET /v1/health HTTP/1.2"), 505, kCloses, "HTTP/1.1"},
      {"HTTP/2.0", raw("GET /v1/health HTTP/2.0"), 505, kCloses, "HTTP/1.1"},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, kCloses, "HTTP/1.1"},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 13), 400, kCloses, ""},
      {"request line too long", raw("GET /" + large.substr(0, 8192) + " HTTP/1.1"), 414, kCloses, "8 KiB"},
      {"head too large", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\nA: " + large + "\r\n"), 431, kCloses,
       "16 KiB"},
      {"too many fields", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\n" + many), 431, kCloses, "64"},
      {"no Host", raw("GET /v1/health HTTP/1.1", ""), 400, kCloses, "Host"},
      {"two Hosts", raw("GET /v1/health HTTP/1.1", "Host: localhost\r\nHost: localhost\r\n"), 400, kCloses, "Host"},
      {"empty Host", raw("GET /v1/health HTTP/1.1", "Host:\r\n"), 400, kCloses, "Host"},
      {"Host with a user", raw("GET /v1/health HTTP/1.1", "Host: a@localhost\r\n"), 400, kCloses, "Host"},
      {"Host with a path", raw("GET /v1/health HTTP/1.1", "Host: localhost/\r\n"), 400, kCloses, "Host"},
      {"Host with an odd port", raw("GET /v1/health HTTP/1.1", "Host: localhost:http\r\n"), 400, kCloses, "Host"},
      {"two names in Host", raw("GET /v1/health HTTP/1.1", "Host: localhost, localhost\r\n"), 400, kCloses, "Host"},
      {"Host unequal to the target's", raw("GET http://127.0.0.1/v1/health HTTP/1.1"), 400, kCloses, "differs"},
      {"Host equal to the target's", raw("GET http://LOCALHOST/v1/health HTTP/1.1"), 200, kGoesOn, "true"},
      {"https target", raw("GET https://localhost/v1/health HTTP/1.1"), 400, kCloses, "target"},
      {"target without a slash", raw("GET v1/health HTTP/1.1"), 400, kCloses, "target"},
      {"one empty line first", "\r\n" + get("/v1/health"), 200, kGoesOn, "true"},
      {"HTTP/1.0", raw("GET /v1/health HTTP/1.0"), 200, kCloses, "true"},
      {"HTTP/1.0 that stays", raw("GET /v1/health HTTP/1.0", "Host: localhost\r\nConnection: keep-alive\r\n"), 200,
       kGoesOn, "true", "connection", "keep-alive"},
      {"Connection: close", get("/v1/health", "Connection: x, Close\r\n"), 200, kCloses, "true", "connection", "close"},
  };
}

std::vector<Row> body_framing_rows() {
  const std::string batch = R"({"checks":[{"key":"k"}]})";
  const std::string body = R"({"key":"k"})";
  const std::string too_large(256 * 1024 + 1, ' ');
  const auto chunked = [](std::string_view chunks) { return json_post("Transfer-Encoding: chunked\r\n", chunks); };
  return {
      {"length that is no number", json_post("Content-Length: x\r\n", ""), 400, kCloses, "Content-Length"},
      {"signed length", json_post("Content-Length: +11\r\n", body), 400, kCloses, "Content-Length"},
      {"hexadecimal length", json_post("Content-Length: 0xb\r\n", body), 400, kCloses, "Content-Length"},
      {"list of lengths", json_post("Content-Length: 11, 11\r\n", body), 400, kCloses, "Content-Length"},
      {"the same length twice", json_post("Content-Length: 11\r\nContent-Length: 11\r\n", body), 400, kCloses,
       "more than once"},
      {"length beyond range", json_post("Content-Length: 99999999999999999999\r\n", ""), 400, kCloses,
       "Content-Length"},
      {"length and coding", json_post("Content-Length: 11\r\nTransfer-Encoding: chunked\r\n", body), 400, kCloses,
       "both"},
      {"coding in HTTP/1.0", raw("POST /v1/check HTTP/1.0", "Host: localhost\r\nTransfer-Encoding: chunked\r\n"), 400,
       kCloses, "HTTP/1.0"},
      {"coding twice", json_post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""), 400, kCloses,
       "more than once"},
      {"chunked twice", json_post("Transfer-Encoding: chunked, chunked\r\n", ""), 400, kCloses, "last"},
      {"chunked not last", json_post("Transfer-Encoding: chunked, gzip\r\n", ""), 400, kCloses, "last"},
      {"gzip", json_post("Transfer-Encoding: gzip\r\n", ""), 501, kCloses, "chunked"},
      {"gzip and chunked", json_post("Transfer-Encoding: gzip, chunked\r\n", ""), 501, kCloses, "chunked"},
      {"almost chunked", json_post("Transfer-Encoding: xchunked\r\n", ""), 501, kCloses, "chunked"},
      {"chunks", chunked("5\r\n{\"key\r\n6;e=\"x\"\r\n\":\"k\"}\r\n0\r\nT: t\r\n\r\n"), 200, kGoesOn, "allowed"},
      {"chunk size with 0x", chunked("0xb\r\n" + body + "\r\n0\r\n\r\n"), 400, kCloses, "chunk"},
      {"odd chunk size", chunked("z\r\n"), 400, kCloses, "chunk"},
      {"space behind a chunk size", chunked("b \r\n" + body + "\r\n0\r\n\r\n"), 400, kCloses, "chunk"},
      {"bare line feed in a chunk size", chunked("b\n" + body + "\r\n0\r\n\r\n"), 400, kCloses, "CR"},
      {"chunk longer than its size", chunked("a\r\n" + body + "\r\n0\r\n\r\n"), 400, kCloses, "chunked"},
      // Malformed extensions were taken for none.
      {"extension without a name", chunked("b;\r\n" + body + "\r\n0\r\n\r\n"), 400, kCloses, "extension"},
      {"extension of a value alone", chunked("b;=x\r\n" + body + "\r\n0\r\n\r\n"), 400, kCloses, "extension"},
      {"extension with an open quote", chunked("b;e=\"x\r\n" + body + "\r\n0\r\n\r\n"), 400, kCloses, "extension"},
      {"extension of the last chunk", chunked("b\r\n" + body + "\r\n0;e=\r\n\r\n"), 400, kCloses, "extension"},
      {"long extension", chunked("b;" + std::string(300, 'e') + "\r\n" + body + "\r\n0\r\n\r\n"), 400, kCloses,
       "too long"},
      {"long trailers", chunked("b\r\n" + body + "\r\n0\r\nT: " + std::string(5000, 't') + "\r\n\r\n"), 400, kCloses,
       "too long"},
      {"bad trailer", chunked("b\r\n" + body + "\r\n0\r\nT : t\r\n\r\n"), 400, kCloses, "trailer"},
      {"body declared too large", json_post("Content-Length: 262145\r\n", ""), 413, kCloses, "256 KiB"},
      {"chunk declared too large", chunked("40001\r\n"), 413, kCloses, "256 KiB"},
      {"body that becomes too large", chunked("40000\r\n" + too_large.substr(1) + "\r\n1\r\nx"), 413, kCloses,
       "256 KiB"},
      {"largest body", json_post("Content-Length: 262144\r\n", body + too_large.substr(body.size() + 1)), 200, kGoesOn,
       "allowed"},
      {"largest batch", batch_post("Content-Length: 1048576\r\n", batch + std::string(1048576 - batch.size(), ' ')),
       200, kGoesOn, "allowed"},
      {"largest batch in chunks",
       batch_post("Transfer-Encoding: chunked\r\n",
                  "100000\r\n" + batch + std::string(1048576 - batch.size(), ' ') + "\r\n0\r\n\r\n"),
       200, kGoesOn, "allowed"},
      {"batch declared too large", batch_post("Content-Length: 1048577\r\n", ""), 413, kCloses, "1 MiB"},
      {"chunk of a batch declared too large", batch_post("Transfer-Encoding: chunked\r\n", "100001\r\n"), 413, kCloses,
       "1 MiB"},
      // The connection stayed open, and a body that came anyway was taken for the next request.
      {"no length", json_post("", body), 411, kCloses, "Content-Length"},
      {"no length and no type", raw("POST /v1/check HTTP/1.1"), 411, kCloses, "Content-Length"},
      {"no length and another type",
       "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\r\nkey=k", 415, kCloses, "JSON"},
      {"no length and an expectation", json_post("Expect: patience\r\n", body), 417, kCloses, "100-continue"},
      {"length of zero", json_post("Content-Length: 0\r\n", ""), 400, kGoesOn, "empty"},
      {"unknown expectation", json_post("Content-Length: 11\r\nExpect: 200-ok\r\n", body), 417, kCloses,
       "100-continue"},
      {"GET with a body", get("/v1/health", "Content-Type: application/json\r\nContent-Length: 2\r\n") + "{}", 200,
       kGoesOn, "true"},
      {"GET with fields", get("/v1/health", "Content-Type: application/json\r\nContent-Length: 7\r\n") + "{\"a\":1}",
       400, kGoesOn, "a is not a field"},
      {"GET with text", get("/v1/health", "Content-Length: 2\r\n") + "hi", 415, kCloses, "application/json"},
  };
}

std::vector<Row> access_rows() {
  const std::string health = get("/v1/health");
  const auto host = [](std::string_view name) {
    return raw("GET /v1/health HTTP/1.1", "Host: " + std::string(name) + "\r\n");
  };
  return {
      {"localhost with a port", host("localhost:7878"), 200, kGoesOn, "true"},
      {"127.0.0.1", host("127.0.0.1"), 200, kGoesOn, "true"},
      {"127.9.9.9", host("127.9.9.9:1"), 200, kGoesOn, "true"},
      {"[::1]", host("[::1]:7878"), 200, kGoesOn, "true"},
      {"another host", host("example.org"), 421, kCloses, "loopback"},
      {"a host that only looks local", host("localhost.example.org"), 421, kCloses, "loopback"},
      {"HTTP/1.0 without Host", raw("GET /v1/health HTTP/1.0", ""), 421, kCloses, "loopback"},
      {"unknown path of HTTP/1.0 without Host", raw("GET /readyz/ HTTP/1.0", ""), 421, kCloses, "loopback"},
      {"Origin", get("/v1/health", "Origin: http://localhost:1\r\n"), 403, kGoesOn, "web pages"},
      {"Origin over TLS", get("/v1/health", "Origin: https://localhost\r\n"), 403, kGoesOn, "web pages"},
      {"Origin that begins as ours", get("/v1/health", "Origin: http://localhost.example.org\r\n"), 403, kGoesOn,
       "web pages"},
      {"the Origin of our own page", get("/v1/health", "Origin: http://localhost\r\n"), 200, kGoesOn, "true"},
      {"two Origins", get("/v1/health", "Origin: http://localhost\r\nOrigin: null\r\n"), 400, kCloses, "Origin"},
      {"null Origin", get("/v1/health", "Origin: null\r\n"), 403, kGoesOn, "web pages"},
      {"Origin and a body", post("/v1/check", R"({"key":"k"})", "Origin: null\r\n"), 403, kCloses, "web pages"},
      // A page of another site learned whether a key exists, and could have the doctor run: images have no Origin.
      {"another site", get("/v1/limits/k", "Sec-Fetch-Site: cross-site\r\n"), 403, kGoesOn, "web pages"},
      {"another site of this machine", get("/v1/doctor", "sec-fetch-site: same-site\r\n"), 403, kGoesOn, "web pages"},
      {"a site of a new kind", get("/livez", "Sec-Fetch-Site: elsewhere\r\n"), 403, kGoesOn, "web pages"},
      {"two kinds of site", get("/v1/health", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n"), 403, kGoesOn,
       "origin_refused"},
      {"another site and a body", post("/v1/check", R"({"key":"k"})", "Sec-Fetch-Site: cross-site\r\n"), 403, kCloses,
       "web pages"},
      {"our own page", get("/v1/health", "Sec-Fetch-Site: same-origin\r\n"), 200, kGoesOn, "true"},
      {"an address that was typed", get("/v1/health", "Sec-Fetch-Site: none\r\n"), 200, kGoesOn, "true"},
      {"another site with the token",
       get("/v1/health", "Sec-Fetch-Site: cross-site\r\nAuthorization: Bearer secret\r\n"), 200, kGoesOn, "true", "",
       "", To::kTokenPort},
      {"any host with the token",
       raw("GET /v1/health HTTP/1.1", "Host: example.org\r\nOrigin: null\r\nAuthorization: Bearer secret\r\n"), 200,
       kGoesOn, "true", "", "", To::kTokenPort},
      {"token", with_token("Bearer secret"), 200, kGoesOn, "true", "", "", To::kTokenPort},
      {"scheme in another case", with_token("bEARER   secret"), 200, kGoesOn, "true", "", "", To::kTokenPort},
      {"the role check decides", post("/v1/check", R"({"key":"k"})", "Authorization: Bearer checker\r\n"), 200, kGoesOn,
       "allowed", "", "", To::kTokenPort},
      {"the role check sees a key", get("/v1/limits/k", "Authorization: Bearer checker\r\n"), 200, kGoesOn, "remaining",
       "", "", To::kTokenPort},
      {"the role check sees no list", get("/v1/limits", "Authorization: Bearer checker\r\n"), 403, kGoesOn,
       "role_refused", "", "", To::kTokenPort},
      {"the role check changes nothing", post("/v1/reset", R"({"key":"k"})", "Authorization: Bearer checker\r\n"), 403,
       kCloses, "The role of the token, check, does not allow", "", "", To::kTokenPort},
      {"the role metrics reads", get("/v1/limits", "Authorization: Bearer watcher\r\n"), 200, kGoesOn, "[", "", "",
       To::kTokenPort},
      {"the role metrics reads metrics", get("/metrics", "Authorization: Bearer watcher\r\n"), 200, kGoesOn,
       "flint_decisions_total", "", "", To::kTokenPort, "text/plain"},
      {"the role check does not", get("/metrics", "Authorization: Bearer checker\r\n"), 403, kGoesOn, "role_refused",
       "", "", To::kTokenPort},
      {"the role metrics decides nothing", post("/v1/check", R"({"key":"k"})", "Authorization: Bearer watcher\r\n"),
       403, kCloses, "role_refused", "", "", To::kTokenPort},
      {"any role probes", get("/readyz", "Authorization: Bearer checker\r\n"), 200, kGoesOn, "ok", "", "",
       To::kTokenPort, "text/plain"},
      {"any role learns what does not exist", get("/v1/nothing", "Authorization: Bearer checker\r\n"), 404, kGoesOn,
       "unknown_path", "", "", To::kTokenPort},
      {"no token", health, 401, kGoesOn, "Bearer TOKEN", "www-authenticate", "Bearer", To::kTokenPort},
      {"wrong token", with_token("Bearer Secret"), 401, kGoesOn, "Bearer TOKEN", "www-authenticate", "Bearer",
       To::kTokenPort},
      {"half a token", with_token("Bearer sec"), 401, kGoesOn, "", "www-authenticate", "Bearer", To::kTokenPort},
      {"token and more", with_token("Bearer secretsecret"), 401, kGoesOn, "", "www-authenticate", "Bearer",
       To::kTokenPort},
      {"another scheme", with_token("Basic secret"), 401, kGoesOn, "", "www-authenticate", "Bearer", To::kTokenPort},
      {"scheme alone", with_token("Bearer"), 401, kGoesOn, "", "www-authenticate", "Bearer", To::kTokenPort},
      {"token alone", with_token("secret"), 401, kGoesOn, "", "www-authenticate", "Bearer", To::kTokenPort},
      {"token twice", get("/v1/health", "Authorization: Bearer secret\r\nAuthorization: Bearer secret\r\n"), 400,
       kCloses, "more than once", "", "", To::kTokenPort},
      {"no token and a body", post("/v1/check", "this is not even JSON"), 401, kCloses, "", "www-authenticate",
       "Bearer", To::kTokenPort},
      {"no token and too large a body", json_post("Content-Length: 262145\r\n", ""), 401, kCloses, "", "", "",
       To::kTokenPort},
      {"no token and an unknown path", get("/nothing"), 401, kGoesOn, "", "", "", To::kTokenPort},
      {"no token and an unknown method", raw("BREW /v1/health HTTP/1.1"), 401, kGoesOn, "", "", "", To::kTokenPort},
      {"no token and an expectation", json_post("Content-Length: 11\r\nExpect: 100-continue\r\n", ""), 401, kCloses, "",
       "", "", To::kTokenPort},
      {"unix socket", host("whatever"), 200, kGoesOn, "true", "", "", To::kUnixSocket},
      {"unix socket with Origin", get("/v1/health", "Origin: null\r\n"), 200, kGoesOn, "true", "", "", To::kUnixSocket},
  };
}

std::vector<Row> route_rows() {
  const std::string type = "POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n";
  const auto typed = [&](std::string_view fields) { return type + std::string(fields) + "\r\n{\"key\":\"k\"}"; };
  return {
      {"unknown path", get("/v1/nothing"), 404, kGoesOn, "unknown_path"},
      {"a file of the page that is not there", get("/assets/none.js"), 404, kGoesOn, "unknown_path"},
      {"path with a slash more", get("/v1/health/"), 404, kGoesOn, "unknown_path"},
      {"path in another case", get("/V1/health"), 404, kGoesOn, "unknown_path"},
      {"doubled slash", get("//v1/health"), 404, kGoesOn, "unknown_path"},
      {"dots", get("/v1/../v1/health"), 404, kGoesOn, "unknown_path"},
      {"escaped letter", get("/v1/h%65alth"), 404, kGoesOn, "unknown_path"},
      {"OPTIONS of everything", raw("OPTIONS * HTTP/1.1"), 404, kGoesOn, "unknown_path"},
      {"unknown path and a body", post("/v1/nothing", "{}"), 404, kCloses, "unknown_path"},
      {"GET where POST belongs", get("/v1/check"), 405, kGoesOn, "method_not_allowed", "allow", "POST"},
      {"POST where GET belongs", raw("POST /v1/health HTTP/1.1"), 405, kGoesOn, "", "allow", "GET, HEAD"},
      {"PUT where both belong", raw("PUT /v1/limits HTTP/1.1"), 405, kGoesOn, "", "allow", "GET, HEAD, POST, DELETE"},
      {"PATCH of a limit", raw("PATCH /v1/limits/k HTTP/1.1"), 405, kGoesOn, "", "allow", "GET, HEAD, DELETE"},
      {"OPTIONS", raw("OPTIONS /v1/check HTTP/1.1"), 405, kGoesOn, "", "allow", "POST"},
      {"PATCH", raw("PATCH /v1/check HTTP/1.1"), 405, kGoesOn, "", "allow", "POST"},
      {"get in lower case", raw("get /v1/health HTTP/1.1"), 501, kCloses, "method_not_implemented"},
      {"unknown method", raw("BREW /v1/health HTTP/1.1"), 501, kCloses, "method_not_implemented"},
      // Both were 501, as if nobody had heard of them.
      {"TRACE", raw("TRACE /v1/health HTTP/1.1"), 405, kCloses, "method_not_allowed", "allow", "GET, HEAD"},
      {"TRACE of no path", raw("TRACE /nothing HTTP/1.1"), 405, kCloses, "TRACE", "allow", "GET, HEAD, POST, DELETE"},
      {"CONNECT", raw("CONNECT localhost:80 HTTP/1.1"), 405, kCloses, "CONNECT", "allow", "GET, HEAD, POST, DELETE"},
      {"trace in lower case", raw("trace /v1/health HTTP/1.1"), 501, kCloses, "method_not_implemented"},
      {"Upgrade is ignored", get("/v1/health", "Connection: Upgrade\r\nUpgrade: h2c\r\n"), 200, kGoesOn, "true"},
      {"unknown limit", get("/v1/limits/nobody"), 404, kGoesOn, "limit_not_found"},
      {"bad escape in a key", get("/v1/limits/a%zz"), 400, kGoesOn, "%"},
      {"half an escape", get("/v1/limits/a%4"), 400, kGoesOn, "%"},
      {"bad escape in an unknown path", get("/nothing%"), 400, kGoesOn, "%"},
      {"NUL in a key", get("/v1/limits/a%00"), 400, kGoesOn, "control"},
      {"key that is not UTF-8", get("/v1/limits/%ff"), 400, kGoesOn, "UTF-8"},
      {"blank key", get("/v1/history/%20"), 400, kGoesOn, "blank"},
      {"key of 513 bytes", get("/v1/limits/" + std::string(513, 'k')), 400, kGoesOn, "513"},
      {"key with an escaped slash", get("/v1/limits/a%2Fb"), 200, kGoesOn, R"("key":"a/b")"},
      {"key with a raw slash", get("/v1/limits/a/b"), 404, kGoesOn, "unknown_path"},
      {"key with a plus", get("/v1/limits/a+b"), 404, kGoesOn, "limit_not_found"},
      {"argument where none is taken", get("/v1/health?x=1"), 400, kGoesOn, "x is not an argument"},
      {"argument of a check", post("/v1/check?cost=2", R"({"key":"k"})"), 400, kGoesOn, "cost is not an argument"},
      {"unknown argument", get("/v1/top?colour=red"), 400, kGoesOn, "colour"},
      {"argument twice", get("/v1/top?limit=1&limit=1"), 400, kGoesOn, "limit appears more than once"},
      {"limit of zero", get("/v1/limits?limit=0"), 400, kGoesOn, "limit must be"},
      {"limit of words", get("/v1/history/k?limit=many"), 400, kGoesOn, "limit must be"},
      {"top by something", get("/v1/top?by=chance"), 400, kGoesOn, "by must be"},
      {"text/plain", typed("Content-Type: text/plain\r\n"), 415, kCloses, "application/json"},
      {"no type", typed(""), 415, kCloses, "application/json"},
      {"almost JSON", typed("Content-Type: application/jsonp\r\n"), 415, kCloses, "application/json"},
      {"JSON in Latin 1", typed("Content-Type: application/json; charset=latin1\r\n"), 415, kCloses,
       "application/json"},
      {"JSON that is compressed", typed("Content-Type: application/json\r\nContent-Encoding: gzip\r\n"), 415, kCloses,
       "Content-Encoding"},
      {"JSON in UTF-8", typed("Content-Type: Application/JSON ; charset=\"UTF-8\"\r\n"), 200, kGoesOn, "allowed"},
      {"type twice", typed("Content-Type: application/json\r\nContent-Type: application/json\r\n"), 400, kCloses,
       "more than once"},
  };
}

std::vector<Row> field_rows() {
  const std::string deep = std::string(9, '[') + std::string(9, ']');
  return {
      {"not JSON", check("key=k"), 400, kGoesOn, "not valid JSON at byte 0"},
      {"half a JSON", check("{\"key\":"), 400, kGoesOn, "not valid JSON"},
      {"something behind the JSON", check("{\"key\":\"k\"} x"), 400, kGoesOn, "continues after"},
      {"two JSONs", check("{\"key\":\"k\"}{}"), 400, kGoesOn, "continues after"},
      {"too deep", check("{\"key\":" + deep + "}"), 400, kGoesOn, "8 levels"},
      {"repeated member", check(R"({"key":"k","key":"k"})"), 400, kGoesOn, "key appears more than once"},
      {"unknown member", check(R"({"key":"k","weight":1})"), 400, kGoesOn, "weight is not a field"},
      {"invalid UTF-8", check("{\"key\":\"\xff\"}"), 400, kGoesOn, "UTF-8 at byte 8, in key"},
      {"lone surrogate", check(R"({"key":"\ud800"})"), 400, kGoesOn, "in key"},
      {"array", check("[]"), 400, kGoesOn, "must be an object"},
      {"missing key", check("{}"), 400, kGoesOn, "key is missing"},
      {"key of the wrong type", check(R"({"key":7})"), 400, kGoesOn, "key must be a string"},
      {"control character in a key", check(R"({"key":"a\u0007"})"), 400, kGoesOn, "control"},
      {"empty key", check(R"({"key":""})"), 400, kGoesOn, "key must be 1 to 512 bytes"},
      {"cost as text", check(R"({"key":"k","cost":"1"})"), 400, kGoesOn, "cost must be an integer"},
      {"cost of zero", check(R"({"key":"k","cost":0})"), 400, kGoesOn, "cost must be an integer from 1"},
      {"negative cost", check(R"({"key":"k","cost":-1})"), 400, kGoesOn, "cost must be an integer from 1"},
      {"fraction of a cost", check(R"({"key":"k","cost":1.5})"), 400, kGoesOn, "cost must be an integer"},
      // Was 400: JSON Schema calls both of these integers.
      {"cost with a fraction of zero", check(R"({"key":"k","cost":2.0})"), 200, kGoesOn, "\"cost\":2,"},
      {"cost with an exponent", check(R"({"key":"k","cost":1e0})"), 200, kGoesOn, "\"cost\":1,"},
      {"cost out of range", check(R"({"key":"k","cost":1099511627777})"), 400, kGoesOn, "cost must be"},
      {"cost above the capacity", check(R"({"key":"k","cost":1000000000001})"), 400, kGoesOn, "1000000000000"},
      {"unknown key", check(R"({"key":"nobody"})"), 404, kGoesOn, "limit_not_found"},
      {"check", check(R"({"key":"k","cost":2})"), 200, kGoesOn, R"("allowed":true,"cost":2)"},
      {"item with a bad cost", post("/v1/check-all", R"({"items":["k",{"key":"a/b","cost":1.5}]})"), 400, kGoesOn,
       "items[1].cost must be"},
      {"item twice", post("/v1/check-all", R"({"items":["k","k"]})"), 400, kGoesOn, "more than once"},
      {"no items", post("/v1/check-all", R"({"items":[]})"), 400, kGoesOn, "items must contain"},
      {"check-all", post("/v1/check-all", R"({"items":["k",["a/b",2]]})"), 200, kGoesOn,
       R"({"allowed":true,"denied_key":null,"results":[{"key":"k")"},
      {"limit with a bad period", post("/v1/limits", R"({"key":"k","rate":1,"per":"soon"})"), 400, kGoesOn,
       "per must be"},
      {"limit with a burst it cannot have",
       post("/v1/limits", R"({"key":"k","rate":1,"per":1,"algorithm":"fixed_window_counter","burst":2})"), 400, kGoesOn,
       "burst"},
      {"limit as it is", post("/v1/limits", R"({"key":"k","rate":1000000000000,"per":"1d"})"), 200, kGoesOn,
       R"({"ok":true})"},
      {"reset of nobody", post("/v1/reset", R"({"key":"nobody"})"), 404, kGoesOn, "limit_not_found"},
      {"reset", post("/v1/reset", R"({"key":"a/b"})"), 200, kGoesOn, R"({"ok":true})"},
      {"flush", post("/v1/log/flush", ""), 200, kGoesOn, R"({"ok":true})"},
      {"flush without a length", raw("POST /v1/log/flush HTTP/1.1"), 200, kGoesOn, R"({"ok":true})"},
      {"flush with fields", post("/v1/log/flush", R"({"now":true})"), 400, kGoesOn, "now is not a field"},
      {"history", get("/v1/history/k?limit=1"), 200, kGoesOn, R"([{"seq":)"},
      {"top", get("/v1/top?by=allowed&limit=1"), 200, kGoesOn, R"([{"key":)"},
      {"list", get("/v1/limits?prefix=a%2F&limit=10&after="), 200, kGoesOn, R"([{"key":"a/b")"},
      {"list of none", get("/v1/limits?prefix=zzz"), 200, kGoesOn, "[]"},
      {"doctor", get("/v1/doctor"), 200, kGoesOn, R"({"ok":true,"data_dir":)"},
  };
}

class HttpTable : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>(TestServer::defaults(), SyncMode::kBatch);
    const Limit limit{1'000'000'000'000, std::chrono::hours(24), Algorithm::kTokenBucket, std::nullopt};
    ASSERT_TRUE(server_->limiter().limit("k", limit).ok());
    ASSERT_TRUE(server_->limiter().limit("a/b", limit).ok());
  }
  static void TearDownTestSuite() { server_.reset(); }

 protected:
  static void run(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      const std::optional<RawResponse> first = answer(row, whole);
      ASSERT_TRUE(first);
      examine(row, *first);
      for (const Cut& cut : {Cut(byte_by_byte), Cut(at_line_ends)}) {
        const std::optional<RawResponse> other = answer(row, cut);
        ASSERT_TRUE(other);
        EXPECT_EQ(other->status, first->status);
        EXPECT_EQ(names(*other), names(*first));
        if (row.status != 200) {
          EXPECT_EQ(other->body, first->body);
        }
      }
    }
  }

 private:
  static TestClient connect(To to) {
    if (to == To::kUnixSocket) return server_->connect_locally();
    return to == To::kTokenPort ? server_->connect_with_token() : server_->connect();
  }

  /// What one client gets, who then looks whether the connection is as it should be.
  static std::optional<RawResponse> answer(const Row& row, const Cut& cut) {
    TestClient client = connect(row.to);
    if (row.to != To::kUnixSocket) client.set_no_delay();
    for (const std::string& piece : cut(row.request)) {
      // A server that has seen enough need not take the rest.
      if (!client.send(piece)) break;
    }
    std::optional<RawResponse> response = client.receive();
    if (row.then == kCloses) {
      EXPECT_TRUE(client.at_end()) << "the connection is still open";
    } else {
      client.send(get("/v1/health", "Authorization: Bearer secret\r\n"));
      const std::optional<RawResponse> next = client.receive();
      EXPECT_TRUE(next && next->status == 200) << "the connection does not go on";
    }
    return response;
  }

  static void examine(const Row& row, const RawResponse& response) {
    EXPECT_EQ(response.status, row.status) << response.body;
    EXPECT_THAT(response.body, HasSubstr(row.says));
    if (!row.field.empty()) {
      EXPECT_EQ(response.field(row.field), row.value);
    }
    EXPECT_EQ(response.field("connection") == "close", row.then == kCloses);
    if (row.type.empty()) {
      EXPECT_EQ(response.field("content-type"), "application/json");
    } else {
      EXPECT_THAT(response.field("content-type"), ::testing::StartsWith(row.type));
    }
    EXPECT_EQ(response.field("x-content-type-options"), "nosniff");
    EXPECT_EQ(response.field("cache-control"), "no-store");
    const bool open = row.to == To::kOpenPort;
    EXPECT_EQ(response.field("cross-origin-resource-policy"), open ? "same-origin" : "");
    EXPECT_EQ(response.field("x-frame-options"), open ? "DENY" : "");
    EXPECT_EQ(response.field("content-length"), std::to_string(response.body.size()));
    EXPECT_EQ(response.field("date").size(), std::string_view("Mon, 23 Nov 2026 18:22:02 GMT").size());
    for (const auto& [name, value] : response.fields) EXPECT_FALSE(name.starts_with("access-control")) << name;
    EXPECT_THAT(response.body, ::testing::Not(HasSubstr(TestServer::kToken)));
    if (row.status == 200) return;
    EXPECT_TRUE(response.body.starts_with("{\"error\":\"")) << response.body;
    EXPECT_THAT(response.body, HasSubstr("\",\"code\":\""));
  }

  static std::vector<std::string> names(const RawResponse& response) {
    std::vector<std::string> names;
    for (const auto& [name, value] : response.fields) names.push_back(name);
    return names;
  }

  inline static std::unique_ptr<TestServer> server_;
};

TEST_F(HttpTable, OfHeads) { run(framing_rows()); }
TEST_F(HttpTable, OfBodies) { run(body_framing_rows()); }
TEST_F(HttpTable, OfAccess) { run(access_rows()); }
TEST_F(HttpTable, OfRoutes) { run(route_rows()); }
TEST_F(HttpTable, OfFields) { run(field_rows()); }

}  // namespace
}  // namespace flint::server
