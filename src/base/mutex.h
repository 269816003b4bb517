#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

/// std::mutex with the annotations that clang's -Wthread-safety checks; g++ ignores them.
#if defined(__clang__)
#define FLINT_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define FLINT_THREAD_ANNOTATION(x)
#endif

#define FLINT_CAPABILITY(x) FLINT_THREAD_ANNOTATION(capability(x))
#define FLINT_SCOPED_CAPABILITY FLINT_THREAD_ANNOTATION(scoped_lockable)
#define FLINT_GUARDED_BY(x) FLINT_THREAD_ANNOTATION(guarded_by(x))
#define FLINT_PT_GUARDED_BY(x) FLINT_THREAD_ANNOTATION(pt_guarded_by(x))
#define FLINT_REQUIRES(...) FLINT_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define FLINT_EXCLUDES(...) FLINT_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define FLINT_ACQUIRE(...) FLINT_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define FLINT_RELEASE(...) FLINT_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define FLINT_RETURN_CAPABILITY(x) FLINT_THREAD_ANNOTATION(lock_returned(x))
#define FLINT_NO_THREAD_SAFETY_ANALYSIS FLINT_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace flint::base {

class FLINT_CAPABILITY("mutex") Mutex {
 public:
  void lock() FLINT_ACQUIRE() { mutex_.lock(); }
  void unlock() FLINT_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class FLINT_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) FLINT_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() FLINT_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Waits release the mutex and hold it again on return; they may wake without cause.
class CondVar {
 public:
  void wait(Mutex& mutex) FLINT_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  void wait_for(Mutex& mutex, std::chrono::nanoseconds timeout) FLINT_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, timeout);
    lock.release();
  }
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace flint::base
