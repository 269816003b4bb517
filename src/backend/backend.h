#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "backend/operation.h"
#include "flint/stats.h"

/// The one seam between whoever asks (HTTP, the command) and where the limits live: operations go in, and each is
/// answered once, when its answer is safe to tell. Whoever asks cannot see whether that was at once, after a commit to
/// the disk, or after a round trip to another machine.
namespace flint::backend {

/// Who submits operations to a Queue.
class Asker {
 public:
  /// The answer to what was submitted with this number. Called on the queue's thread, once for each operation.
  virtual void answered(std::uint64_t number, Answer&& answer) = 0;

 protected:
  ~Asker() = default;
};

/// One thread's queue of operations that do not block. Threads: one, its owner's.
///
/// What is submitted between two calls of end_batch() is a batch: a backend that has to wait (for a commit, for another
/// machine) may wait once for all of it.
class Queue {
 public:
  /// What the owner does for its queue.
  struct Calls {
    /// An operation was submitted that waits for end_batch(), the first one of its batch. Called inside submit().
    std::function<void()> batch_begins;
    /// deliver() has something to do. Called on any thread, or inside end_batch() or deliver(); must be quick. Not
    /// called again before deliver(), nor after the queue's destructor has returned.
    std::function<void()> wake;
  };

  Queue() = default;
  /// Operations that are not answered yet never are; those that change something may have done so.
  virtual ~Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  /// Never waits. `asker` is answered in here, or in a later deliver(), in any order. `number` is the asker's own.
  virtual void submit(const Operation& operation, Asker& asker, std::uint64_t number) = 0;
  /// The owner has nothing more to submit for now.
  virtual void end_batch() = 0;
  /// Hands over the answers that have become safe to tell.
  virtual void deliver() = 0;
  /// `asker`, which is about to go, is not answered any more.
  virtual void forget(const Asker& asker) = 0;
};

/// Where the limits live. Outlives its queues. Threads: any.
class Backend {
 public:
  Backend() = default;
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  [[nodiscard]] virtual std::unique_ptr<Queue> open_queue(Queue::Calls calls) = 0;

  /// Any operation, and those that block only here: the caller's thread may have to wait. `done` is called once, in
  /// here or later on any thread. It may be dropped uncalled when the backend ends.
  virtual void run(const Operation& operation, std::function<void(Answer)> done) = 0;

  /// Ok, or why no changes are accepted. Never waits.
  [[nodiscard]] virtual Status health() const = 0;
  [[nodiscard]] virtual Stats stats() const = 0;

  /// How long whoever asks waits for an answer before it gives up and says so; nothing where an answer always comes, or
  /// the failure that takes its place.
  [[nodiscard]] virtual std::optional<std::chrono::milliseconds> patience() const = 0;
};

}  // namespace flint::backend
