#include "net/worker_pool.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

namespace flint::net {
namespace {

TEST(WorkerPool, BeginsJobsInTheOrderInWhichTheyCome) {
  std::vector<int> begun;
  std::promise<void> all;
  WorkerPool pool(1);
  for (int i = 0; i < 100; ++i) {
    pool.submit([&, i] {
      begun.push_back(i);
      if (i == 99) all.set_value();
    });
  }
  all.get_future().wait();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(begun[static_cast<std::size_t>(i)], i);
}

TEST(WorkerPool, EndsWhatHasBegunAndDestroysWhatHasNot) {
  const auto held = std::make_shared<int>(0);
  std::promise<void> begun;
  std::promise<void> may_end;
  bool ended = false;
  WorkerPool pool(1);
  pool.submit([&, may = may_end.get_future().share()] {
    begun.set_value();
    may.wait();
    ended = true;
  });
  begun.get_future().wait();
  for (int i = 0; i < 10; ++i) pool.submit([held] { ++*held; });
  // Whether one of those begins after all depends on who is faster. None may be left behind.
  std::future<void> stopped = std::async(std::launch::async, [&] { pool.stop(); });
  may_end.set_value();
  stopped.wait();
  EXPECT_TRUE(ended);
  EXPECT_EQ(held.use_count(), 1) << "a job that was dropped still holds a connection";
}

}  // namespace
}  // namespace flint::net
