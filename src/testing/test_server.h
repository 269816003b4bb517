#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "backend/local.h"
#include "flint/limiter.h"
#include "server/http_server.h"
#include "testing/files.h"
#include "testing/test_client.h"

namespace flint::testing {

/// The real server on real sockets over a real Limiter, or over another backend, in this process: an open port, one
/// that asks for the token `secret`, and the socket in the data directory.
class TestServer {
 public:
  static constexpr const char* kToken = "secret";

  explicit TestServer(server::HttpSettings settings = defaults(), SyncMode sync = SyncMode::kAlways) {
    Options options;
    options.sync = sync;
    limiter_ = std::move(*Limiter::open(directory_.path(), options));
    local_ = std::make_unique<backend::LocalBackend>(*limiter_);
    start(*local_, std::move(settings));
  }
  /// `backend` outlives it. There is no Limiter then.
  TestServer(backend::Backend& backend, server::HttpSettings settings) { start(backend, std::move(settings)); }

  static server::HttpSettings defaults() {
    server::HttpSettings settings;
    settings.threads = 2;
    return settings;
  }

  [[nodiscard]] TestClient connect() const { return TestClient::connect_tcp(open_port_); }
  [[nodiscard]] TestClient connect_with_token() const { return TestClient::connect_tcp(token_port_); }
  [[nodiscard]] TestClient connect_locally() const {
    return TestClient::connect_unix(directory_.path() + "/flint.sock");
  }
  [[nodiscard]] std::uint16_t open_port() const { return open_port_; }
  [[nodiscard]] std::uint16_t token_port() const { return token_port_; }
  [[nodiscard]] Limiter& limiter() { return *limiter_; }
  [[nodiscard]] server::HttpServer& http() { return *http_; }
  [[nodiscard]] const std::string& data_dir() const { return directory_.path(); }

 private:
  void start(backend::Backend& backend, server::HttpSettings settings) {
    settings.tokens = *api::Tokens::parse(std::string(kToken) + "\ncheck checker\nmetrics watcher");
    http_ = std::make_unique<server::HttpServer>(backend, settings, log_);
    open_port_ = add(false);
    token_port_ = add(true);
    http_->add(std::move(*net::ListenSocket::bind_in_data_dir(directory_.path())), http::owner_rules());
    const Status started = http_->start();
    EXPECT_TRUE(started.ok()) << started.message();
  }
  std::uint16_t add(bool asks_for_token) {
    net::ListenSocket socket = std::move(*net::ListenSocket::bind_tcp({.path = {}, .host = "127.0.0.1", .port = 0}));
    const std::string url = socket.url();
    http_->add(std::move(socket), http::tcp_rules(asks_for_token));
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }

  TemporaryDirectory directory_;
  net::EventLog log_{net::LogLevel::kError, net::LogFormat::kText};
  std::unique_ptr<Limiter> limiter_;
  std::unique_ptr<backend::Backend> local_;
  std::unique_ptr<server::HttpServer> http_;
  std::uint16_t open_port_ = 0;
  std::uint16_t token_port_ = 0;
};

[[nodiscard]] inline std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n";
}

[[nodiscard]] inline std::string post(std::string_view target, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

}  // namespace flint::testing
