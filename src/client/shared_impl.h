#pragma once

#include <algorithm>
#include <boost/json/parse.hpp>
#include <string>
#include <utility>
#include <vector>

#include "client/answers.h"
#include "client/pool.h"
#include "flint/shared_limiter.h"

namespace flint {
namespace client {

inline constexpr Names kSharedNames{.server = "the URL of the server",
                                    .fewer = "",
                                    .ca = "SharedOptions::ca_file",
                                    .cert = "SharedOptions::cert_file and key_file"};

}  // namespace client

/// How a SharedLimiter asks. Its methods say what.
class SharedLimiter::Impl {
 public:
  Impl(client::Connector connector, std::size_t max_idle) : pool_(std::move(connector), max_idle) {}

  void close() { pool_.close(); }

  /// Asks, and gives the JSON of an answer with status 200 to `use`, which says whether that is what was asked for.
  template <typename Use>
  Status ask(const client::Request& request, bool repeatable, const Use& use) {
    Result<client::Answer> answer = pool_.call(request, repeatable);
    if (!answer.ok()) return answer.status();
    if (answer->status != 200) return refused(*answer);
    boost::system::error_code error;
    const client::json::value value = client::json::parse({answer->body.data(), answer->body.size()}, error);
    if (!error && use(value)) return {};
    return Status(Code::kUnavailable, "The answer of " + name() + " is not what a Flint server answers. Check " +
                                          std::string(client::kSharedNames.server) + ".");
  }

  template <typename Use>
  Status post(std::string_view path, const Result<std::string>& body, bool repeatable, const Use& use) {
    if (!body.ok()) return body.status();
    return ask({.verb = client::Verb::kPost, .path = path, .query = {}, .body = *body}, repeatable, use);
  }

  /// `{"ok":true}` is all that there is to say.
  Status done(const client::Request& request, bool repeatable) {
    return ask(request, repeatable, [](const client::json::value& value) {
      client::Fields fields(value);
      return fields.truth("ok");
    });
  }

  Status post_done(std::string_view path, const Result<std::string>& body, bool repeatable) {
    if (!body.ok()) return body.status();
    return done({.verb = client::Verb::kPost, .path = path, .query = {}, .body = *body}, repeatable);
  }

  /// An array, each element of which `fits`.
  template <typename Element, typename Fits>
  Result<std::vector<Element>> get_array(std::string_view path, std::string_view query, const Fits& fits) {
    std::vector<Element> elements;
    Status status = ask({.verb = client::Verb::kGet, .path = path, .query = query, .body = {}}, true,
                        [&](const client::json::value& value) {
                          elements.clear();
                          return client::Fields::read_array<Element>(value, client::read, &elements) &&
                                 std::all_of(elements.begin(), elements.end(), fits);
                        });
    if (!status.ok()) return status;
    return elements;
  }

 private:
  [[nodiscard]] const std::string& name() const { return pool_.connector().endpoint().text; }

  [[nodiscard]] Status refused(const client::Answer& answer) const {
    constexpr int kUnauthorized = 401;
    if (std::optional<Status> said = client::refusal(answer)) {
      return answer.status == kUnauthorized ? said->advised("Give the server's token in SharedOptions::token.") : *said;
    }
    const std::string advice = client::advice_on_stranger(answer, client::kSharedNames);
    return {Code::kUnavailable,
            "The answer of " + name() + " was HTTP " + std::to_string(answer.status) + " without a Flint error." +
                (advice.empty() ? " Check " + std::string(client::kSharedNames.server) + "." : advice)};
  }

  client::ConnectionPool pool_;
};

}  // namespace flint
