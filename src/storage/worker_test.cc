#include "storage/worker.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <utility>

#include "testing/stepping.h"

// ThreadSanitizer has this function of its own, and must see every wait.
#if !defined(__SANITIZE_THREAD__)
#define FLINT_WAITS_CAN_BE_HOOKED
#endif

#ifdef FLINT_WAITS_CAN_BE_HOOKED
namespace flint::storage {
namespace {

using testing::Stepping;

/// What comes before the calling thread falls asleep, once; returns whether it may.
thread_local std::function<bool()> before_wait;

}  // namespace
}  // namespace flint::storage

// Found before that of the C library: std::condition_variable::wait_for calls it, with the mutex held.
extern "C" int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                                      const timespec* until) {
  static const auto real =
      reinterpret_cast<decltype(&pthread_cond_clockwait)>(::dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  auto& hook = flint::storage::before_wait;
  if (hook && !std::exchange(hook, nullptr)()) return ETIMEDOUT;
  return real(condition, mutex, clock, until);
}
#endif

namespace flint::storage {
namespace {

// The committer slept through a wake-up that came after its last look and before it slept: a batch was flushed a second
// late, a compaction never began.
TEST(Worker, AWakeUpBeforeItFallsAsleepIsNotLost) {
#ifdef FLINT_WAITS_CAN_BE_HOOKED
  Worker worker;
  std::unique_ptr<Stepping> waker;
  std::atomic<int> turns = 0;
  std::atomic<bool> hooked = false;
  bool came_in_between = false;
  const auto turn = [&]() -> Nanos {
    if (++turns == 1) {
      before_wait = [&] {
        hooked = true;
        waker = std::make_unique<Stepping>([&worker] { worker.wake(); });
        waker->wait_until_blocked();
        came_in_between = waker->done();
        return !came_in_between;
      };
    }
    return std::chrono::hours(1);
  };
  ASSERT_TRUE(worker.start(turn).ok());
  while (turns < 2) std::this_thread::yield();
  worker.stop();
  EXPECT_TRUE(hooked);
  EXPECT_FALSE(came_in_between) << "the wake-up was over before the worker slept, and would have been lost";
#else
  GTEST_SKIP() << "ThreadSanitizer lets nobody come between a worker and its sleep";
#endif
}

TEST(Worker, AWakeUpDuringATurnBringsAnother) {
  Worker worker;
  std::atomic<int> turns = 0;
  ASSERT_TRUE(worker
                  .start([&]() -> Nanos {
                    if (++turns == 1) worker.wake();
                    return std::chrono::hours(1);
                  })
                  .ok());
  while (turns < 2) std::this_thread::yield();
  worker.stop();
}

TEST(Worker, StopsWhileItSleeps) {
  Worker worker;
  std::atomic<int> turns = 0;
  ASSERT_TRUE(worker
                  .start([&]() -> Nanos {
                    ++turns;
                    return std::chrono::hours(1);
                  })
                  .ok());
  while (turns < 1) std::this_thread::yield();
  worker.stop();
  EXPECT_EQ(turns, 1);
}

}  // namespace
}  // namespace flint::storage
