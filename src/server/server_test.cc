#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>

#include "testing/test_client.h"
#include "testing/test_server.h"

namespace flint::server {
namespace {

using testing::get;
using ::testing::HasSubstr;
using testing::post;
using testing::TemporaryDirectory;
using testing::TestClient;

/// run_server in a process of its own, because it takes over signals.
class ServerProcess {
 public:
  explicit ServerProcess(const ServerOptions& options) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    log_ = base::UniqueFd(ends[0]);
    const base::UniqueFd write_end(ends[1]);
    pid_ = fork();
    if (pid_ != 0) return;
    dup2(write_end.get(), STDERR_FILENO);
    const Status status = run_server(options);
    dprintf(STDERR_FILENO, "dumpable %d, returned %s\n", prctl(PR_GET_DUMPABLE),
            std::string(code_name(status.code())).c_str());
    _exit(static_cast<int>(status.code()));
  }
  ~ServerProcess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  /// Reads the log up to `text`; empty when it ends before.
  std::string log_until(std::string_view text) {
    while (logged_.find(text) == std::string::npos) {
      char bytes[1024];
      const ssize_t count = read(log_.get(), bytes, sizeof(bytes));
      if (count <= 0) return "";
      logged_.append(bytes, static_cast<std::size_t>(count));
    }
    return logged_;
  }

  std::uint16_t port() {
    constexpr std::string_view kUrl = "listening on http://127.0.0.1:";
    const std::string log = log_until("flint.sock without");
    const std::size_t at = log.find(kUrl);
    return at == std::string::npos ? std::uint16_t{0}
                                   : static_cast<std::uint16_t>(std::stoi(log.substr(at + kUrl.size())));
  }

  void signal(int number) const { kill(pid_, number); }

  void limit_descriptors(rlim_t most) const {
    const rlimit limit{.rlim_cur = most, .rlim_max = most};
    EXPECT_EQ(prlimit(pid_, RLIMIT_NOFILE, &limit, nullptr), 0);
  }

  /// What waitpid says of its end.
  int end() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_ = 0;
  base::UniqueFd log_;
  std::string logged_;
};

ServerOptions options_for(const std::string& data_dir) {
  ServerOptions options;
  options.bind = "127.0.0.1:0";
  options.data_dir = data_dir;
  options.threads = 1;
  return options;
}

TEST(RunServer, StopsInOrderAndForgetsNothing) {
  const TemporaryDirectory directory;
  // Longer than the address of a socket can be.
  const std::string data_dir = directory.path() + "/" + std::string(150, 'd');
  for (const int number : {SIGTERM, SIGINT}) {
    ServerProcess server(options_for(data_dir));
    TestClient client = TestClient::connect_tcp(server.port());
    client.send(post("/v1/limits", R"({"key":"k","rate":9,"per":"1h","algorithm":"fixed_window_counter"})") +
                post("/v1/check", R"({"key":"k"})"));
    EXPECT_EQ(client.receive()->status, 200);
    EXPECT_EQ(client.receive()->status, 200);
    EXPECT_TRUE(std::filesystem::is_socket(data_dir + "/flint.sock"));
    server.signal(number);
    EXPECT_THAT(server.log_until("returned"), HasSubstr("stopped"));
    EXPECT_EQ(server.end(), 0);
    EXPECT_FALSE(std::filesystem::exists(data_dir + "/flint.sock"));
  }
  Result<std::unique_ptr<Limiter>> limiter = Limiter::open(data_dir);
  ASSERT_TRUE(limiter.ok()) << limiter.status().message();
  EXPECT_EQ((*limiter)->status("k")->total_allowed, 2U);
}

TEST(RunServer, EndsAtOnceOnASecondSignal) {
  const TemporaryDirectory directory;
  ServerOptions options = options_for(directory.path());
  options.deadlines.drain = std::chrono::hours(1);
  ServerProcess server(options);
  TestClient client = TestClient::connect_tcp(server.port());
  client.send(get("/v1/health") + "GET /v1/hea");
  EXPECT_EQ(client.receive()->status, 200);
  server.signal(SIGTERM);
  EXPECT_NE(server.log_until("finishing requests in progress"), "");
  server.signal(SIGTERM);
  const int status = server.end();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(RunServer, EndsWhenStorageFails) {
  const TemporaryDirectory directory;
  ServerProcess server(options_for(directory.path()));
  TestClient client = TestClient::connect_tcp(server.port());
  client.send(post("/v1/limits", R"({"key":"k","rate":9,"per":"1h"})"));
  EXPECT_EQ(client.receive()->status, 200);
  std::filesystem::remove(directory.path() + "/flint.lock");
  client.send(post("/v1/check", R"({"key":"k"})"));
  EXPECT_EQ(client.receive()->status, 503);
  EXPECT_NE(server.log_until("storage has failed"), "");
  const int status = server.end();
  ASSERT_TRUE(WIFEXITED(status));
  // On a machine too busy to finish within the second, the process is ended as the command would end: with 3.
  EXPECT_THAT(WEXITSTATUS(status), ::testing::AnyOf(static_cast<int>(Code::kStorageFailed), 3));
}

TEST(RunServer, AsksForTheTokenOnItsAddressAndNotInItsDirectory) {
  const TemporaryDirectory directory;
  ServerOptions options = options_for(directory.path() + "/data");
  options.bind = "unix:" + directory.path() + "/api.sock";
  options.tokens = *api::Tokens::parse("s3cret");
  ServerProcess server(options);
  const std::string log = server.log_until("flint.sock without a token");
  EXPECT_THAT(log, HasSubstr("api.sock for requests with a token"));
  EXPECT_THAT(log, ::testing::Not(HasSubstr("s3cret")));
  TestClient named = TestClient::connect_unix(directory.path() + "/api.sock");
  named.send(get("/v1/health") + get("/v1/health", "Authorization: Bearer s3cret\r\n"));
  EXPECT_EQ(named.receive()->status, 401);
  EXPECT_EQ(named.receive()->status, 200);
  TestClient local = TestClient::connect_unix(directory.path() + "/data/flint.sock");
  local.send(get("/v1/health"));
  EXPECT_EQ(local.receive()->status, 200);
}

// Limit changes and resets were not in the log, nor who made them.
TEST(RunServer, LogsWhoChangedWhat) {
  const TemporaryDirectory directory;
  ServerProcess server(options_for(directory.path()));
  TestClient client = TestClient::connect_tcp(server.port());
  client.send(post("/v1/limits", R"({"key":"k","rate":9,"per":"1h"})") + post("/v1/check", R"({"key":"k"})"));
  EXPECT_EQ(client.receive()->status, 200);
  EXPECT_EQ(client.receive()->status, 200);
  TestClient local = TestClient::connect_unix(directory.path() + "/flint.sock");
  local.send(post("/v1/reset", R"({"key":"k"})"));
  EXPECT_EQ(local.receive()->status, 200);
  server.signal(SIGTERM);
  const std::string log = server.log_until("returned");
  EXPECT_THAT(log, HasSubstr(R"("event":"changed","message":"limit of \"k\" set to 9/h, by 127.0.0.1:)"));
  const std::string user = std::to_string(getuid()) + ", process " + std::to_string(getpid());
  EXPECT_THAT(log, HasSubstr(R"(usage of \"k\" reset, by user )" + user));
  std::size_t changes = 0;
  for (std::size_t at = 0; (at = log.find("\"changed\"", at)) != std::string::npos; ++at) ++changes;
  EXPECT_EQ(changes, 2U) << "a check is not logged";
}

// A core dump held the token, and /proc/PID/mem showed it to other processes of the same user.
TEST(RunServer, KeepsItsMemoryToItselfWhenItHoldsAToken) {
  for (const char* token : {"", "s3cret"}) {
    const TemporaryDirectory directory;
    ServerOptions options = options_for(directory.path());
    if (*token != '\0') options.tokens = *api::Tokens::parse(token);
    ServerProcess server(options);
    EXPECT_NE(server.log_until("flint.sock without"), "");
    server.signal(SIGTERM);
    EXPECT_THAT(server.log_until("returned"), HasSubstr(options.tokens.empty() ? "dumpable 1," : "dumpable 0,"));
  }
}

TEST(RunServer, SurvivesAShortageOfDescriptors) {
  const TemporaryDirectory directory;
  ServerProcess server(options_for(directory.path()));
  const std::uint16_t port = server.port();
  // Less than what it started with, which only somebody else can bring about.
  server.limit_descriptors(40);
  std::vector<TestClient> crowd;
  for (int i = 0; i < 60; ++i) crowd.push_back(TestClient::connect_tcp(port));
  EXPECT_NE(server.log_until("out of descriptors"), "");
  crowd[0].send(get("/v1/health"));
  EXPECT_EQ(crowd[0].receive()->status, 200);
  // Whoever waits in the kernel's queue is served when others have gone.
  TestClient last = std::move(crowd.back());
  crowd.clear();
  last.send(get("/v1/health"));
  EXPECT_EQ(last.receive()->status, 200);
}

TEST(RunServer, RefusesWhatIsNotSafeOrMakesNoSense) {
  const TemporaryDirectory directory;
  const std::string data_dir = directory.path() + "/data";
  const auto refusal = [&](const std::function<void(ServerOptions&)>& change) {
    ServerOptions options = options_for(data_dir);
    change(options);
    const Status status = run_server(options);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_FALSE(std::filesystem::exists(data_dir));
    return status.message();
  };
  EXPECT_THAT(refusal([](ServerOptions& o) { o.bind = "0.0.0.0:0"; }), HasSubstr("set a token"));
  EXPECT_THAT(refusal([](ServerOptions& o) { o.bind = "[::]:0"; }), HasSubstr("set a token"));
  EXPECT_THAT(refusal([](ServerOptions& o) { o.bind = "nowhere"; }), HasSubstr("ADDRESS:PORT"));
  EXPECT_THAT(refusal([](ServerOptions& o) { o.threads = 257; }), HasSubstr("threads"));
  EXPECT_THAT(refusal([](ServerOptions& o) { o.max_blocking = 0; }), HasSubstr("max_blocking"));
}

}  // namespace
}  // namespace flint::server
