#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "testing/test_server.h"

/// Requests that wait or read files, and the threads that they share.
namespace flint::server {
namespace {

using testing::get;
using testing::post;
using testing::TestClient;
using testing::TestServer;

/// Keeps every thread of one kind of work busy until released.
class Busy {
 public:
  Busy(TestServer& server, api::Effect effect, int threads) : server_(server), effect_(effect), threads_(threads) {
    for (int i = 0; i < threads_; ++i) {
      auto begun = std::make_shared<std::promise<void>>();
      std::future<void> has_begun = begun->get_future();
      server_.http().submit(effect_, [begun, released = released_] {
        begun->set_value();
        released.wait();
      });
      has_begun.wait();
    }
  }
  ~Busy() { release(); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

  /// Returns when what was queued behind it has been done.
  void release() {
    if (done_) return;
    done_ = true;
    release_.set_value();
    // One that occupies all threads again comes behind all others.
    std::promise<void> go;
    const std::shared_future<void> gone = go.get_future().share();
    std::vector<std::future<void>> reached;
    for (int i = 0; i < threads_; ++i) {
      auto here = std::make_shared<std::promise<void>>();
      reached.push_back(here->get_future());
      server_.http().submit(effect_, [here, gone] {
        here->set_value();
        gone.wait();
      });
    }
    for (std::future<void>& each : reached) each.wait();
    go.set_value();
  }

 private:
  TestServer& server_;
  const api::Effect effect_;
  const int threads_;
  std::promise<void> release_;
  std::shared_future<void> released_ = release_.get_future().share();
  bool done_ = false;
};

// Four doctors or rankings delayed a flush by a second: all waited in one queue.
TEST(SlowRequests, DoNotHoldUpWorkOfAnotherKind) {
  TestServer server;
  const std::string of_kind[] = {post("/v1/log/flush", ""), get("/v1/top"), get("/v1/doctor")};
  const api::Effect kinds[] = {api::Effect::kFlushes, api::Effect::kScans, api::Effect::kExamines};
  for (std::size_t busy = 0; busy < 3; ++busy) {
    Busy occupied(server, kinds[busy], busy == 0 ? 1 : 2);
    TestClient waits = server.connect();
    waits.send(of_kind[busy]);
    for (std::size_t other = 0; other < 3; ++other) {
      if (other == busy) continue;
      TestClient client = server.connect();
      client.send(of_kind[other]);
      EXPECT_EQ(client.receive()->status, 200) << other << " while " << busy << " is busy";
    }
    occupied.release();
    EXPECT_EQ(waits.receive()->status, 200);
  }
}

// Doctors of clients that had left were run one after the other, and all others waited for them.
TEST(SlowRequests, OfClientsThatLeftAreNotDone) {
  TestServer server;
  Busy occupied(server, api::Effect::kExamines, 2);
  TestClient torn = server.connect();
  torn.send(post("/v1/log/compact", "") + post("/v1/log/compact", ""));
  TestClient local = server.connect_locally();
  local.send(post("/v1/log/compact", ""));
  TestClient closed = server.connect();
  closed.send(post("/v1/log/compact", ""));
  TestClient stays = server.connect();
  stays.send(get("/v1/health") + post("/v1/log/compact", ""));
  EXPECT_EQ(stays.receive()->status, 200);
  torn.reset();
  local = server.connect_locally();
  closed.finish_sending();
  EXPECT_TRUE(server.http().wait_for_connections(2, std::chrono::minutes(1)));
  occupied.release();
  EXPECT_EQ(stays.receive()->status, 200);
  EXPECT_EQ(server.limiter().stats().compactions, 1U);
}

}  // namespace
}  // namespace flint::server
