#include "bench/protocol.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

namespace flint::bench {
namespace {

std::string key_name(std::size_t key) { return fmt::format("bench:user-{:06}", key); }

/// The decimal number that `text` starts with.
template <typename Integer>
Integer leading_number(std::string_view text) {
  Integer value{};
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
    fail(fmt::format("A number was expected in the answer, not: {}", text.substr(0, 80)));
  }
  return value;
}

class FlintHttp : public Protocol {
 public:
  FlintHttp(std::string host, std::size_t batch) : host_(std::move(host)), batch_(batch) {}

  void prepare(const Exchange& exchange, std::size_t keys, const KeyLimit& limit) override {
    keys_ = keys;
    for (std::size_t key = 0; key < keys; ++key) {
      const std::string answer = exchange(post("/v1/limits", fmt::format(R"({{"key":"{}","rate":{},"per":"{}ms"}})",
                                                                         key_name(key), limit.rate, limit.per_ms)));
      if (!answer.starts_with(kOk)) fail("Flint refused a limit: " + answer);
    }
  }

  std::string check_request(std::size_t key) const override {
    if (batch_ <= 1) return post("/v1/check", fmt::format(R"({{"key":"{}"}})", key_name(key)));
    std::string checks;
    for (std::size_t n = 0; n < batch_; ++n) {
      checks += fmt::format(R"({}{{"key":"{}"}})", n == 0 ? "" : ",", key_name((key + n) % keys_));
    }
    return post("/v1/check-batch", R"({"checks":[)" + checks + "]}");
  }

  Answer parse(std::string_view received) const override {
    const std::size_t head = received.find("\r\n\r\n");
    if (head == std::string_view::npos) return {};
    const std::size_t field = received.find(kLength);
    if (field == std::string_view::npos || field > head) fail("An answer without Content-Length came from Flint.");
    const std::size_t begin = head + 4;
    const auto length = leading_number<std::size_t>(received.substr(field + kLength.size()));
    if (received.size() - begin < length) return {};
    const std::string_view body = received.substr(begin, length);
    return {begin + length, outcome_of(received, body), body};
  }

 protected:
  [[nodiscard]] const std::string& host() const { return host_; }

 private:
  static constexpr std::string_view kOk = "HTTP/1.1 200";
  static constexpr std::string_view kLength = "\r\nContent-Length: ";

  static Outcome outcome_of(std::string_view received, std::string_view body) {
    if (!received.starts_with(kOk)) return Outcome::kError;
    if (body.find(R"("allowed":true)") != std::string_view::npos) return Outcome::kAllowed;
    return body.find(R"("allowed":false)") != std::string_view::npos ? Outcome::kDenied : Outcome::kError;
  }

  std::string post(std::string_view path, const std::string& body) const {
    return fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                       path, host_, body.size(), body);
  }

  std::string host_;
  std::size_t batch_;
  std::size_t keys_ = 0;
};

/// The same keys, asked as a reverse proxy does: the status alone says what was decided.
class FlintGate final : public FlintHttp {
 public:
  explicit FlintGate(std::string host) : FlintHttp(std::move(host), 1) {}

  std::string check_request(std::size_t key) const override {
    return fmt::format("GET /v1/gate?key={} HTTP/1.1\r\nHost: {}\r\n\r\n", key_name(key), host());
  }

  Answer parse(std::string_view received) const override {
    // While the limits are set, the answers are JSON.
    if (received.starts_with("HTTP/1.1 200")) return FlintHttp::parse(received);
    const std::size_t head = received.find("\r\n\r\n");
    if (head == std::string_view::npos) return {};
    const bool allowed = received.starts_with("HTTP/1.1 204");
    if (!allowed && !received.starts_with("HTTP/1.1 429")) return FlintHttp::parse(received);
    return {head + 4, allowed ? Outcome::kAllowed : Outcome::kDenied, {}};
  }
};

class RedisResp final : public Protocol {
 public:
  explicit RedisResp(std::string script_path) : script_path_(std::move(script_path)) {}

  void prepare(const Exchange& exchange, std::size_t, const KeyLimit& limit) override {
    std::ifstream file(script_path_);
    const std::string script{std::istreambuf_iterator<char>(file), {}};
    if (script.empty()) fail("There is no script in " + script_path_ + ".");
    const std::string answer = exchange(command({"SCRIPT", "LOAD", script}));
    if (!answer.starts_with('$')) fail("Redis refused the script: " + answer);
    sha_ = parse(answer).text;
    rate_ = std::to_string(limit.rate);
    per_ms_ = std::to_string(limit.per_ms);
  }

  std::string check_request(std::size_t key) const override {
    return command({"EVALSHA", sha_, "1", key_name(key), rate_, per_ms_, rate_, "1"});
  }

  /// The script answers `*2 :allowed :remaining`.
  Answer parse(std::string_view received) const override {
    const std::size_t end = received.find("\r\n");
    if (end == std::string_view::npos) return {};
    const std::string_view line = received.substr(1, end - 1);
    const std::size_t next = end + 2;
    switch (received.front()) {
      case '*':
        return parse_pair(received, next);
      case '$': {
        const auto length = leading_number<std::size_t>(line);
        if (received.size() < next + length + 2) return {};
        return {next + length + 2, Outcome::kError, received.substr(next, length)};
      }
      default:
        return {next, Outcome::kError, line};
    }
  }

 private:
  static Answer parse_pair(std::string_view received, std::size_t at) {
    const std::size_t first_end = received.find("\r\n", at);
    if (first_end == std::string_view::npos) return {};
    const std::size_t second_end = received.find("\r\n", first_end + 2);
    if (second_end == std::string_view::npos) return {};
    const auto allowed = leading_number<int>(received.substr(at + 1));
    return {second_end + 2, allowed == 1 ? Outcome::kAllowed : Outcome::kDenied, received.substr(at)};
  }

  static std::string command(std::initializer_list<std::string_view> words) {
    std::string out = fmt::format("*{}\r\n", words.size());
    for (const std::string_view word : words) out += fmt::format("${}\r\n{}\r\n", word.size(), word);
    return out;
  }

  std::string script_path_;
  std::string sha_;
  std::string rate_;
  std::string per_ms_;
};

}  // namespace

std::unique_ptr<Protocol> flint_http(std::string host, std::size_t batch) {
  return std::make_unique<FlintHttp>(std::move(host), batch);
}
std::unique_ptr<Protocol> flint_gate(std::string host) { return std::make_unique<FlintGate>(std::move(host)); }

std::unique_ptr<Protocol> redis_resp(std::string script_path) {
  return std::make_unique<RedisResp>(std::move(script_path));
}

void fail(const std::string& sentence) {
  fmt::print(stderr, "load: {}\n", sentence);
  std::exit(1);
}

}  // namespace flint::bench
