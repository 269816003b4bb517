#include "server/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "net/listen_socket.h"
#include "testing/test_client.h"
#include "testing/test_server.h"

namespace flint::server {
namespace {

using testing::get;
using ::testing::HasSubstr;
using testing::TemporaryDirectory;
using testing::TestClient;
using testing::TestServer;

/// The service manager's end.
class NotifySocket {
 public:
  /// As in NOTIFY_SOCKET: a path, or an abstract name behind '@'.
  explicit NotifySocket(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0) << strerror(errno);
  }

  /// What a sender that has returned said; empty when it said nothing.
  std::string next() {
    std::array<char, 1024> bytes{};
    const ssize_t count = recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
  }

 private:
  base::UniqueFd fd_;
};

TEST(ServiceNotifier, TellsStatesAtAPathAndAtAnAbstractName) {
  const TemporaryDirectory directory;
  for (const std::string& name : {directory.path() + "/notify", "@" + directory.path()}) {
    NotifySocket manager(name);
    const ServiceNotifier notifier(name);
    notifier.status("opening");
    notifier.ready("serving");
    notifier.stopping("finishing");
    EXPECT_EQ(manager.next(), "STATUS=opening");
    EXPECT_EQ(manager.next(), "READY=1\nSTATUS=serving");
    EXPECT_EQ(manager.next(), "STOPPING=1\nSTATUS=finishing");
    EXPECT_EQ(manager.next(), "");
  }
}

TEST(ServiceNotifier, TextMakesNoStateOfItsOwn) {
  const TemporaryDirectory directory;
  NotifySocket manager(directory.path() + "/notify");
  ServiceNotifier(directory.path() + "/notify").status("failed: a\nREADY=1");
  EXPECT_EQ(manager.next(), "STATUS=failed: a\\x0aREADY=1");
}

TEST(ServiceNotifier, IsSilentWhenNobodyListens) {
  const TemporaryDirectory directory;
  for (const std::string& name : {std::string(), directory.path() + "/nobody", std::string("@flint-nobody"),
                                  std::string(300, 'x'), std::string("no/such/place")}) {
    ServiceNotifier(name).ready("serving");
  }
}

TEST(ServiceNotifier, LeavesTheEnvironmentWhenTaken) {
  const TemporaryDirectory directory;
  const std::string name = directory.path() + "/notify";
  NotifySocket manager(name);
  setenv("NOTIFY_SOCKET", name.c_str(), 1);
  const ServiceNotifier taken = take_service_notifier();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  taken.ready("serving");
  EXPECT_EQ(manager.next(), "READY=1\nSTATUS=serving");
  take_service_notifier().ready("again");
  EXPECT_EQ(manager.next(), "");
}

/// As a service manager makes them: blocking, and inherited by its children.
base::UniqueFd plain_socket(int family, int type) { return base::UniqueFd(::socket(family, type, 0)); }

TEST(PassedSocket, KeepsItsAddress) {
  const TemporaryDirectory directory;
  base::UniqueFd v4 = plain_socket(AF_INET, SOCK_STREAM);
  ASSERT_EQ(::listen(v4.get(), 1), 0);
  const Result<PassedSocket> any = examine_passed_socket(std::move(v4));
  ASSERT_TRUE(any.ok()) << any.status().message();
  EXPECT_EQ(any->address.host, "0.0.0.0");
  EXPECT_NE(any->address.port, 0);
  EXPECT_FALSE(any->address.is_local());

  base::UniqueFd v6 = plain_socket(AF_INET6, SOCK_STREAM);
  if (v6.valid() && ::listen(v6.get(), 1) == 0) {
    const Result<PassedSocket> any6 = examine_passed_socket(std::move(v6));
    ASSERT_TRUE(any6.ok()) << any6.status().message();
    EXPECT_EQ(any6->address.host, "::");
    EXPECT_FALSE(any6->address.is_local());
  }

  const std::string path = directory.path() + "/passed.sock";
  Result<net::ListenSocket> bound = net::ListenSocket::bind_unix(path);
  ASSERT_TRUE(bound.ok() && bound->listen().ok());
  const Result<PassedSocket> named = examine_passed_socket(base::UniqueFd(dup(bound->fd())));
  ASSERT_TRUE(named.ok()) << named.status().message();
  EXPECT_EQ(named->address.url(), "unix:" + path);
}

TEST(PassedSocket, IsRefusedWhenNobodyCouldConnectToIt) {
  const auto refusal = [](base::UniqueFd fd) {
    const Result<PassedSocket> socket = examine_passed_socket(std::move(fd));
    EXPECT_EQ(socket.code(), Code::kInvalidArgument);
    return socket.status().message();
  };
  EXPECT_THAT(refusal(plain_socket(AF_INET, SOCK_STREAM)), HasSubstr("does not listen"));
  EXPECT_THAT(refusal(plain_socket(AF_INET, SOCK_DGRAM)), HasSubstr("not a stream socket"));
  EXPECT_THAT(refusal(base::UniqueFd(open("/dev/null", O_RDONLY))), HasSubstr("not a socket"));
  EXPECT_THAT(refusal(base::UniqueFd()), HasSubstr("not a socket"));
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const base::UniqueFd other(pair[1]);
  EXPECT_THAT(refusal(base::UniqueFd(pair[0])), HasSubstr("does not listen"));
  // Nobody could say who may connect to an abstract name.
  base::UniqueFd abstract = plain_socket(AF_UNIX, SOCK_STREAM);
  sockaddr_un autobind{};
  autobind.sun_family = AF_UNIX;
  ASSERT_EQ(::bind(abstract.get(), reinterpret_cast<const sockaddr*>(&autobind), sizeof(sa_family_t)), 0);
  ASSERT_EQ(::listen(abstract.get(), 1), 0);
  EXPECT_THAT(refusal(std::move(abstract)), HasSubstr("no address"));
}

TEST(PassedSocket, OnlyForThisProcessAndOnlyOne) {
  const auto take = [](const std::string& pid, const char* count) {
    setenv("LISTEN_PID", pid.c_str(), 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "flint.socket", 1);
    Result<std::optional<PassedSocket>> socket = take_passed_socket();
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) EXPECT_EQ(std::getenv(name), nullptr);
    return socket;
  };
  const std::string own = std::to_string(getpid());
  for (const std::string& other : {std::to_string(getppid()), std::string(), own + " ", "0" + own}) {
    const Result<std::optional<PassedSocket>> none = take(other, "1");
    EXPECT_TRUE(none.ok() && !none->has_value()) << other;
  }
  const Result<std::optional<PassedSocket>> none = take(own, "0");
  EXPECT_TRUE(none.ok() && !none->has_value());
  for (const char* count : {"2", "-1", "1x", "4294967297"}) {
    const Result<std::optional<PassedSocket>> refused = take(own, count);
    EXPECT_EQ(refused.code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.status().message(), HasSubstr(count));
  }
}

TEST(PassedSocket, OutlivesTheServerThatAdoptedIt) {
  const TemporaryDirectory directory;
  Result<net::ListenSocket> held = net::ListenSocket::bind_tcp({.path = {}, .host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(held.ok() && held->listen().ok());
  const auto port = static_cast<std::uint16_t>(std::stoi(held->url().substr(17)));
  net::EventLog log(net::LogLevel::kError, net::LogFormat::kText);
  std::unique_ptr<Limiter> limiter = std::move(*Limiter::open(directory.path()));
  backend::LocalBackend backend(*limiter);
  const auto start = [&] {
    Result<PassedSocket> passed = examine_passed_socket(base::UniqueFd(dup(held->fd())));
    auto http = std::make_unique<HttpServer>(backend, TestServer::defaults(), log);
    http->add(net::ListenSocket::adopt(std::move(passed->fd), passed->address), http::tcp_rules(false));
    EXPECT_TRUE(http->start().ok());
    return http;
  };
  start()->stop(std::chrono::milliseconds(0));
  TestClient waiting = TestClient::connect_tcp(port);
  ASSERT_TRUE(waiting.connected());
  waiting.send(get("/v1/health"));
  const std::unique_ptr<HttpServer> next = start();
  EXPECT_EQ(waiting.receive()->status, 200);
}

}  // namespace
}  // namespace flint::server
