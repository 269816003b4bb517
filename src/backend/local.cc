#include "backend/local.h"

#include <algorithm>
#include <deque>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "base/mutex.h"

namespace flint::backend {
namespace {

/// An answer, and what has to be durable before it may be told.
struct Decided {
  Answer answer;
  Ticket ticket;
};

template <typename T>
Answer answer_of(Result<T> result) {
  if (!result.ok()) return result.status();
  return std::move(*result);
}

Answer answer_of(const Status& status) {
  if (!status.ok()) return status;
  return Done{};
}

template <typename T>
Decided decided(Result<Deferred<T>> result) {
  if (!result.ok()) return {result.status(), {}};
  return {std::move(result->value), result->ticket};
}

/// Decides and logs, as far as the operation does, and never waits for storage.
class Decide {
 public:
  Decide(Limiter& limiter, const std::optional<Serving>& serving) : limiter_(limiter), serving_(serving) {}

  Decided operator()(const Check& check) const {
    if (check.limit == nullptr && !check.dry_run && check.request_id.empty()) {
      return decided(limiter_.check_deferred(check.key, check.cost));
    }
    const CheckOptions options{.limit = check.limit == nullptr ? std::nullopt : std::optional(*check.limit),
                               .dry_run = check.dry_run,
                               .request_id = check.request_id};
    return decided(limiter_.check_deferred(check.key, check.cost, options));
  }
  Decided operator()(const CheckAll& check) const {
    return decided(
        limiter_.check_all_deferred(check.items, {.dry_run = check.dry_run, .request_id = check.request_id}));
  }

  Decided operator()(const CheckBatch& batch) const {
    std::vector<BatchCheck> checks;
    checks.reserve(batch.checks.size());
    for (const Result<BatchCheck>& one : batch.checks) {
      if (one.ok()) checks.push_back(*one);
    }
    Result<Deferred<BatchResult>> decided = limiter_.check_batch_deferred(checks);
    if (!decided.ok()) return {decided.status(), {}};
    BatchResult results;
    results.reserve(batch.checks.size());
    auto next = decided->value.begin();
    for (const Result<BatchCheck>& one : batch.checks) {
      results.push_back(one.ok() ? std::move(*next++) : one.status());
    }
    return {std::move(results), decided->ticket};
  }

  Decided operator()(const Charge& charge) const {
    const ChargeOptions options{.limit = charge.limit == nullptr ? std::nullopt : std::optional(*charge.limit),
                                .request_id = charge.request_id};
    return decided(limiter_.charge_deferred(charge.key, charge.cost, options));
  }
  Decided operator()(const Reserve& reserve) const {
    return decided(limiter_.reserve_deferred(reserve.items, reserve.options));
  }
  Decided operator()(const Commit& commit) const {
    return decided(limiter_.commit_deferred(commit.reservation, commit.costs));
  }
  Decided operator()(const Cancel& cancel) const { return decided(limiter_.cancel_deferred(cancel.reservation)); }
  Decided operator()(const Renew& renew) const {
    return decided(limiter_.renew_deferred(renew.reservation, renew.ttl));
  }
  Decided operator()(const ReadReservation& read) const {
    return {answer_of(limiter_.reservation(read.reservation)), {}};
  }

  Decided operator()(const SetLimit& set) const {
    const std::optional<Limit> before = limiter_.limit_of(set.key);
    Ticket ticket;
    const Status status = limiter_.limit_deferred(set.key, set.limit, &ticket, set.options);
    if (!status.ok()) return {status, {}};
    return {LimitSet{.key = std::string(set.key), .before = before, .now = set.limit, .mode = set.options.mode},
            ticket};
  }

  Decided operator()(const Reset& reset) const {
    Ticket ticket;
    if (Status status = limiter_.reset_deferred(reset.key, &ticket); !status.ok()) return {status, {}};
    return {UsageReset{std::string(reset.key)}, ticket};
  }

  Decided operator()(const Remove& remove) const {
    const std::optional<Limit> before = limiter_.limit_of(remove.key);
    Ticket ticket;
    if (Status status = limiter_.remove_deferred(remove.key, &ticket); !status.ok()) return {status, {}};
    return {LimitRemoved{.key = std::string(remove.key), .before = before}, ticket};
  }

  Decided operator()(const ReadStatus& read) const { return {answer_of(limiter_.status(read.key)), {}}; }
  Decided operator()(const ReadHealth&) const {
    if (Status status = limiter_.health(); !status.ok()) return {std::move(status), {}};
    return {Health{serving_}, {}};
  }

 protected:
  [[nodiscard]] Limiter& limiter() const { return limiter_; }

 private:
  Limiter& limiter_;
  const std::optional<Serving>& serving_;
};

/// Does what may take long, too.
class Run : public Decide {
 public:
  using Decide::Decide;
  using Decide::operator();

  Decided operator()(const ApplyLimits& apply) const {
    Result<LimitChanges> changes = limiter().apply(apply.limits, {.prune = apply.prune, .dry_run = apply.dry_run});
    if (!changes.ok()) return {changes.status(), {}};
    return {LimitsApplied{std::move(*changes), apply.dry_run}, {}};
  }
  Decided operator()(const List& list) const { return {answer_of(limiter().list(list.query)), {}}; }
  Decided operator()(const SumUp& read) const { return {answer_of(limiter().status(read.pattern)), {}}; }
  Decided operator()(const ResetPrefix& reset) const {
    const Result<std::uint64_t> count = limiter().reset_prefix(reset.prefix);
    if (!count.ok()) return {count.status(), {}};
    return {AllReset{std::string(reset.prefix), *count}, {}};
  }
  Decided operator()(const RemovePrefix& remove) const {
    const Result<std::uint64_t> count = limiter().remove_prefix(remove.prefix);
    if (!count.ok()) return {count.status(), {}};
    return {AllRemoved{std::string(remove.prefix), *count}, {}};
  }
  Decided operator()(const ReadHistory& read) const { return {answer_of(limiter().history(read.key, read.limit)), {}}; }
  Decided operator()(const Top& top) const { return {answer_of(limiter().top(top.by, top.limit)), {}}; }
  Decided operator()(const Flush&) const { return {answer_of(limiter().flush()), {}}; }
  Decided operator()(const Compact&) const { return {answer_of(limiter().compact()), {}}; }
  Decided operator()(const Examine&) const { return {limiter().doctor(), {}}; }
};

/// Answers at once what need not wait, which in `batch` and for a denial is everything, and keeps the rest until its
/// record is durable. One callback of the Limiter at a time, for the newest ticket there is, lets all operations that
/// come while one group commit runs share the next: a callback per operation would wake the owner as often.
class LocalQueue final : public Queue {
 public:
  LocalQueue(Limiter& limiter, const std::optional<Serving>& serving, Calls calls)
      : limiter_(limiter), serving_(serving), batch_begins_(std::move(calls.batch_begins)) {
    base::MutexLock lock(commit_->mutex);
    commit_->wake = std::move(calls.wake);
  }
  ~LocalQueue() override {
    base::MutexLock lock(commit_->mutex);
    commit_->wake = nullptr;
  }

  void submit(const Operation& operation, Asker& asker, std::uint64_t number) override {
    Decided decided = std::visit(
        [&](const auto& one) {
          if constexpr (blocks(std::decay_t<decltype(one)>::kEffect)) {
            base::assertion_failed("what blocks is run, not submitted", __FILE__, __LINE__);
            return Decided{};
          } else {
            return Decide(limiter_, serving_)(one);
          }
        },
        operation);
    if (decided.ticket.seq == 0 || limiter_.is_durable(decided.ticket)) {
      return asker.answered(number, std::move(decided.answer));
    }
    waiting_.push_back({&asker, number, std::move(decided)});
    if (waiting_.size() == 1) batch_begins_();
  }

  /// Does nothing while a callback is on its way: its deliver() asks for the next one.
  void end_batch() override {
    if (waiting_.empty() || std::exchange(commit_is_awaited_, true)) return;
    const auto later = [](const Waiting& a, const Waiting& b) { return a.decided.ticket.seq < b.decided.ticket.seq; };
    const Ticket newest = std::max_element(waiting_.begin(), waiting_.end(), later)->decided.ticket;
    limiter_.when_durable(newest, [commit = commit_](const Status& status) {
      base::MutexLock lock(commit->mutex);
      commit->status = status;
      if (commit->wake) commit->wake();
    });
  }

  void deliver() override {
    commit_is_awaited_ = false;
    const Status status = [&] {
      base::MutexLock lock(commit_->mutex);
      return commit_->status;
    }();
    // In the order of submission: an operation whose record is older than that of the one before it waits for both.
    while (!waiting_.empty()) {
      const bool durable = limiter_.is_durable(waiting_.front().decided.ticket);
      if (!durable && status.ok()) break;
      Waiting first = std::move(waiting_.front());
      waiting_.pop_front();
      if (first.asker == nullptr) continue;
      // After a failure, what was decided may or may not be on disk: it must not be told.
      if (!durable) first.decided.answer = status;
      first.asker->answered(first.number, std::move(first.decided.answer));
    }
    end_batch();
  }

  void forget(const Asker& asker) override {
    for (Waiting& one : waiting_) {
      if (one.asker == &asker) one.asker = nullptr;
    }
  }

 private:
  struct Waiting {
    /// Null once it is forgotten.
    Asker* asker;
    std::uint64_t number;
    Decided decided;
  };

  /// What the committing thread reaches, also after the queue is gone.
  struct Commit {
    base::Mutex mutex;
    std::function<void()> wake FLINT_GUARDED_BY(mutex);
    Status status FLINT_GUARDED_BY(mutex);
  };

  Limiter& limiter_;
  const std::optional<Serving>& serving_;
  const std::function<void()> batch_begins_;
  std::deque<Waiting> waiting_;
  bool commit_is_awaited_ = false;
  const std::shared_ptr<Commit> commit_ = std::make_shared<Commit>();
};

}  // namespace

std::unique_ptr<Queue> LocalBackend::open_queue(Queue::Calls calls) {
  return std::make_unique<LocalQueue>(limiter_, serving_, std::move(calls));
}

void LocalBackend::run(const Operation& operation, std::function<void(Answer)> done) {
  Decided decided = std::visit(Run(limiter_, serving_), operation);
  if (Status durable = limiter_.wait(decided.ticket); !durable.ok()) decided.answer = durable;
  done(std::move(decided.answer));
}

}  // namespace flint::backend
