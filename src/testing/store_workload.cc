#include "testing/store_workload.h"

namespace flint::testing {
namespace {

enum class Ending { kClose, kKill };

class Workload {
 public:
  Workload(const FaultyDisk& disk, const WorkloadOptions& options) : disk_(disk), options_(options) {}

  WorkloadResult run() {
    session(Ending::kClose, [this] {
      appends(9);
      step([this] { return store_->compact(); });
      appends(9);
      quiet();
    });
    session(Ending::kClose, [] {});
    session(Ending::kKill, [this] {
      appends(6);
      quiet();
      appends(5);
      step([this] { return store_->compact(); });
      appends(3);
    });
    session(Ending::kKill, [this] { appends(4); });
    session(Ending::kClose, [this] {
      flush();
      appends(8);
      step([this] { return store_->compact(); });
      appends(2);
    });
    session(Ending::kKill, [this] {
      appends(2);
      step([this] { return store_->compact(); });
      quiet();
      appends(2);
    });
    session(Ending::kClose, [] {});
    return std::move(result_);
  }

 private:
  void session(Ending ending, const std::function<void()>& steps) {
    if (result_.stopped) return;
    TestStore store(disk_, options_.store);
    if (Status opened = store.open(); !opened.ok()) {
      note(opened);
      result_.stopped = true;
      return;
    }
    // What an open showed must stay.
    EXPECT_TRUE(result_.history.explains(store.owner.records));
    store.adopt(result_.history);
    store_ = &*store;
    test_store_ = &store;
    store.owner.between_pieces = [this] { static_cast<void>(test_store_->append(result_.history, payload())); };
    store.owner.tick = [this] { return test_store_->append_locked(result_.history, "denials"); };
    steps();
    if (!result_.stopped && ending == Ending::kClose) {
      step([this] {
        Status closed = store_->close();
        // Also when the mark or the manifest could not be written.
        result_.history.acknowledged = std::max(result_.history.acknowledged, store_->durable_seq());
        return closed;
      });
    }
    result_.failed = result_.failed || store_->stats().failed;
    result_.stopped = result_.stopped || result_.failed;
  }

  void step(const std::function<Status()>& action) {
    if (result_.stopped) return;
    note(action());
    ++result_.steps;
    result_.stopped = store_->stats().failed || result_.steps >= options_.steps;
    if (!result_.stopped && options_.after_step) options_.after_step(result_.history);
  }
  void note(const Status& status) {
    if (!status.ok() && result_.first_failure.ok()) result_.first_failure = status;
  }

  void appends(int count) {
    for (int i = 0; i < count; ++i) {
      step([this] { return test_store_->append(result_.history, payload()); });
      if (i % 3 == 2) step([this] { return test_store_->wait(result_.history); });
      if (i % 4 == 3) step([this] { return store_->tick(); });
    }
  }
  void flush() {
    step([this] {
      const storage::Seq last = store_->last_seq();
      Status flushed = store_->flush();
      if (flushed.ok()) result_.history.acknowledged = std::max(result_.history.acknowledged, last);
      return flushed;
    });
  }
  /// Until the log is sealed.
  void quiet() {
    test_store_->owner.tick = nullptr;
    for (int i = 0; i < 3; ++i) step([this] { return store_->tick(); });
  }

  std::string payload() {
    static constexpr std::size_t kSizes[] = {20, 0, 1, 300, 7, 20, 1200, 28, 90, 2500, 20, 4};
    const std::size_t size = kSizes[count_ % std::size(kSizes)];
    ++count_;
    std::string text = std::to_string(count_);
    text.resize(size, static_cast<char>('a' + count_ % 26));
    return text;
  }

  const FaultyDisk& disk_;
  const WorkloadOptions& options_;
  WorkloadResult result_;
  TestStore* test_store_ = nullptr;
  storage::Store* store_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace

WorkloadResult run_workload(const FaultyDisk& disk, const WorkloadOptions& options) {
  return Workload(disk, options).run();
}

}  // namespace flint::testing
