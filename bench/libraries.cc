// What Flint writes by hand although a library has it, beside that library: ARCHITECTURE.md gives the reasons and these
// ratios. Each pair does the same work on the same input.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <boost/beast/http.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/src.hpp>
#include <string>

#include "api/answers.h"
#include "api/url.h"
#include "http/request_reader.h"

namespace flint::bench {
namespace {

// A key in a path.

constexpr std::string_view kEncodedKey = "api%3Auser-100000%2Fuploads";

void decode_ours(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(api::percent_decode(kEncodedKey));
}

void decode_boost_url(benchmark::State& state) {
  for (auto _ : state) {
    const auto checked = boost::urls::make_pct_string_view(kEncodedKey);
    if (!checked) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(checked->decode());
  }
}

// A request as a client library sends it.

constexpr std::string_view kRequest =
    "POST /v1/check HTTP/1.1\r\nHost: 127.0.0.1:7878\r\nUser-Agent: python-httpx/0.23.3\r\nAccept: */*\r\n"
    "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\nContent-Type: application/json\r\n"
    "Content-Length: 27\r\n\r\n{\"key\":\"bench:user-100000\"}";

void read_request_ours(benchmark::State& state) {
  http::RequestReader reader;
  for (auto _ : state) {
    std::copy(kRequest.begin(), kRequest.end(), reader.space().begin());
    reader.filled(kRequest.size());
    if (reader.next() != http::RequestReader::Step::kHead) return state.SkipWithError("no head");
    reader.read_body();
    if (reader.next() != http::RequestReader::Step::kRequest) return state.SkipWithError("no request");
    benchmark::DoNotOptimize(reader.body());
    reader.finish();
  }
}

void read_request_beast(benchmark::State& state) {
  namespace beast = boost::beast;
  std::string buffer;
  for (auto _ : state) {
    buffer = kRequest;
    beast::http::request_parser<beast::http::string_body> parser;
    parser.eager(true);
    beast::error_code error;
    parser.put(boost::asio::buffer(buffer), error);
    if (error || !parser.is_done()) return state.SkipWithError("no request");
    benchmark::DoNotOptimize(parser.get().body());
  }
}

// The answer to a check.

const Decision& decision() {
  static const Decision made = [] {
    Decision result;
    result.key = "bench:user-100000";
    result.allowed = true;
    result.cost = 1;
    result.capacity = 100;
    result.remaining = 99;
    result.reset_at = WallTime(std::chrono::milliseconds(1'795'458'122'123));
    result.reset_after_ms = 600;
    return result;
  }();
  return made;
}

void write_json_ours(benchmark::State& state) {
  for (auto _ : state) {
    std::string out;
    base::JsonWriter json(out);
    api::write(json, decision());
    benchmark::DoNotOptimize(out);
  }
}

void write_json_boost_json(benchmark::State& state) {
  for (auto _ : state) {
    boost::json::object answer;
    answer["key"] = decision().key;
    answer["allowed"] = decision().allowed;
    answer["cost"] = decision().cost;
    answer["limit"] = decision().capacity;
    answer["remaining"] = decision().remaining;
    answer["reset_at"] = "2026-11-23T18:22:02.123Z";
    answer["reset_after_ms"] = 600U;
    answer["retry_after_ms"] = 0U;
    answer["algorithm"] = "token_bucket";
    benchmark::DoNotOptimize(boost::json::serialize(answer));
  }
}

BENCHMARK(decode_ours);
BENCHMARK(decode_boost_url);
BENCHMARK(read_request_ours);
BENCHMARK(read_request_beast);
BENCHMARK(write_json_ours);
BENCHMARK(write_json_boost_json);

}  // namespace
}  // namespace flint::bench

BENCHMARK_MAIN();
