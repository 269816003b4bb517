#include "cli/http_caller.h"

#include <utility>

namespace flint::cli {
namespace {

client::Verb verb_of(api::Method method) {
  if (method == api::Method::kPost) return client::Verb::kPost;
  return method == api::Method::kDelete ? client::Verb::kDelete : client::Verb::kGet;
}

class HttpCaller final : public Caller {
 public:
  HttpCaller(std::string name, std::unique_ptr<client::Connection> connection)
      : name_(std::move(name)), connection_(std::move(connection)) {}

  Result<Answer> call(const Call& call) override {
    return connection_->call({.verb = verb_of(call.method), .path = call.path, .query = call.query, .body = call.body});
  }

  std::string name() const override { return name_; }

  Status finish() override { return {}; }

 private:
  std::string name_;
  std::unique_ptr<client::Connection> connection_;
};

}  // namespace

Result<std::unique_ptr<Caller>> connect_http(const Endpoint& endpoint, const HttpOptions& options) {
  HttpOptions named = options;
  named.names = kOptionNames;
  Result<client::Connector> connector = client::Connector::make(endpoint, std::move(named));
  if (!connector.ok()) return connector.status();
  Result<std::unique_ptr<client::Connection>> connection = connector->connect();
  if (!connection.ok()) return connection.status();
  return std::unique_ptr<Caller>(std::make_unique<HttpCaller>(endpoint.text, std::move(*connection)));
}

}  // namespace flint::cli
