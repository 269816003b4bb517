#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/rfc3339.h"
#include "limiter/engine.h"
#include "testing/choices.h"
#include "testing/faulty_file_system.h"
#include "testing/values.h"
#include "testing/watched_directory.h"

/// An Engine over a disk in memory and a clock that only the test moves, without a background thread: what happens is
/// what the test does.
namespace flint::testing {

/// As text, so that two of them compare and a difference can be read.
inline std::string to_text(const std::optional<WallTime>& time) { return time ? base::format_rfc3339(*time) : "never"; }

inline std::string to_text(const Limit& limit) {
  std::string text =
      std::to_string(limit.rate) + "/" + std::to_string(limit.per / std::chrono::milliseconds(1)) + "ms" +
      (limit.burst ? " burst " + std::to_string(*limit.burst) : "") + " " +
      std::string(algorithm_name(limit.algorithm)) +
      (limit.align == Align::kNone ? ""
                                   : " calendar " + std::string(align_name(limit.align)) + " in " + limit.timezone);
  for (const Limit& window : limit.further) text += " and " + to_text(window);
  return text;
}

inline std::string to_text(std::span<const WindowStatus> windows) {
  std::string text;
  for (const WindowStatus& window : windows) {
    text += ", window " + to_text(window.limit) + " remaining " + std::to_string(window.remaining) + ", reset at " +
            to_text(window.reset_at) + " in " + std::to_string(window.reset_after_ms) + " ms, retry in " +
            std::to_string(window.retry_after_ms) + " ms";
  }
  return text;
}

inline std::string to_text(const LimitStatus& status) {
  return status.key + ": " + to_text(status.limit) + " " + std::string(source_name(status.source)) +
         (status.pattern.empty() ? "" : " " + status.pattern) + (status.overrides ? " overrides" : "") + " " +
         std::string(mode_name(status.mode)) + (status.keys ? " keys " + std::to_string(*status.keys) : "") +
         ", remaining " + std::to_string(status.remaining) + ", reset at " + to_text(status.reset_at) + ", allowed " +
         std::to_string(status.total_allowed) + " (" + std::to_string(status.total_allowed_cost) + ") last " +
         to_text(status.last_allowed_at) + ", denied " + std::to_string(status.total_denied) + " (" +
         std::to_string(status.total_denied_cost) + ") last " + to_text(status.last_denied_at) + ", would deny " +
         std::to_string(status.would_deny) + ", reset " + to_text(status.last_reset_at) + to_text(status.windows);
}

inline std::string to_text(const Event& event) {
  return std::string(event_kind_name(event.kind)) + " " + std::to_string(event.cost) + " x" +
         std::to_string(event.count) + (event.limit ? " " + to_text(*event.limit) : "") +
         (event.mode == Mode::kEnforce ? "" : " " + std::string(mode_name(event.mode)));
}

inline std::string to_text(const Decision& decision) {
  return decision.key + (decision.allowed ? ": allowed " : ": denied ") + std::to_string(decision.cost) + " of " +
         std::to_string(decision.capacity) + ", remaining " + std::to_string(decision.remaining) + ", reset at " +
         to_text(decision.reset_at) + " in " + std::to_string(decision.reset_after_ms) + " ms, retry in " +
         (decision.retry_after_ms ? std::to_string(*decision.retry_after_ms) : "no") + " ms, " +
         std::string(algorithm_name(decision.algorithm)) +
         (decision.would_deny ? *decision.would_deny ? ", would deny" : ", would allow" : "") +
         (decision.keys_full ? ", keys full" : "") + std::string(decision.unknown_timezone()) +
         to_text(decision.windows());
}

template <typename T>
std::vector<std::string> to_texts(const std::vector<T>& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const T& value : values) texts.push_back(to_text(value));
  return texts;
}

inline std::vector<std::string> keys_of(const std::vector<LimitStatus>& statuses) {
  std::vector<std::string> keys;
  keys.reserve(statuses.size());
  for (const LimitStatus& status : statuses) keys.push_back(status.key);
  return keys;
}

class EngineFixture {
 public:
  explicit EngineFixture(SyncMode sync = SyncMode::kBatch, const FaultyOptions& disk = {})
      : EngineFixture(sync, FaultyDisk(disk)) {
    open();
  }
  /// On a disk that is there already; not open yet.
  EngineFixture(SyncMode sync, const FaultyDisk& disk) : disk_(disk) {
    options.sync = sync;
    options.clock = &clock;
    tuning.background = false;
    tuning.first_segment_bytes = 4096;
    tuning.max_segment_bytes = 64 * 1024;
  }

  FakeClock clock;
  Options options;
  storage::StoreOptions tuning;
  /// What happens beside the next compaction.
  std::function<void()> on_snapshot;

  limiter::Engine* operator->() { return engine_.get(); }
  [[nodiscard]] bool is_open() const { return engine_ != nullptr; }
  [[nodiscard]] FaultyDisk& disk() { return disk_; }

  [[nodiscard]] Status try_open() {
    auto opened =
        limiter::Engine::open(std::make_unique<WatchedDirectory>(disk_.directory(), on_snapshot), options, tuning);
    if (opened.ok()) engine_ = std::move(*opened);
    return opened.status();
  }
  void open() { must(try_open()); }

  void close() {
    must(engine_->close());
    engine_.reset();
  }
  void reopen() {
    close();
    open();
  }
  /// SIGKILL: what the process had not done by now is never done.
  void kill() { lose_power(Survives::kEverything); }
  void lose_power(Survives survives, std::uint64_t seed = 0) {
    FaultyDisk left = disk_.crash(seed, {.survives = survives});
    engine_.reset();
    disk_ = left;
  }

  // What flint::Limiter makes of the deferred calls.

  Status limit(std::string_view key, const Limit& limit, const LimitOptions& limit_options = {}) {
    return await(engine_->limit(key, limit, limit_options));
  }
  Result<LimitChanges> apply(std::span<const NamedLimit> limits, const ApplyOptions& how = {}) {
    auto deferred = engine_->apply(limits, how);
    if (!deferred.ok()) return deferred.status();
    if (Status durable = engine_->wait(deferred->ticket); !durable.ok()) return durable;
    return std::move(deferred->value);
  }
  Status reset(std::string_view key) { return await(engine_->reset(key)); }
  Status remove(std::string_view key) { return await(engine_->remove(key)); }
  Result<Decision> try_check(std::string_view key, Units cost = 1, const std::optional<Limit>& carried = {},
                             std::string_view request_id = {}) {
    auto deferred = engine_->check(key, cost, {.limit = carried, .request_id = request_id});
    if (!deferred.ok()) return deferred.status();
    if (Status durable = engine_->wait(deferred->ticket); !durable.ok()) return durable;
    return std::move(deferred->value);
  }
  Result<CheckAllResult> try_check_all(const std::vector<CheckItem>& items, std::string_view request_id = {}) {
    auto deferred = engine_->check_all(items, {.request_id = request_id});
    if (!deferred.ok()) return deferred.status();
    if (Status durable = engine_->wait(deferred->ticket); !durable.ok()) return durable;
    return std::move(deferred->value);
  }

  Decision check(std::string_view key, Units cost = 1, const std::optional<Limit>& carried = {}) {
    return must(try_check(key, cost, carried));
  }
  bool allows(std::string_view key, Units cost = 1) { return check(key, cost).allowed; }
  CheckAllResult check_all(const std::vector<CheckItem>& items) { return must(try_check_all(items)); }

  LimitStatus status(std::string_view key) { return must(engine_->status(key)); }
  Units remaining(std::string_view key) { return status(key).remaining; }
  std::vector<std::string> statuses() { return to_texts(must(engine_->list({.keys = true}))); }
  std::vector<std::string> history(std::string_view key, std::size_t limit = 100) {
    return to_texts(must(engine_->history(key, limit)));
  }
  storage::Seq last_seq() { return engine_->stats().last_seq; }

 private:
  Status await(const Result<Ticket>& ticket) { return ticket.ok() ? engine_->wait(*ticket) : ticket.status(); }

  FaultyDisk disk_;
  std::unique_ptr<limiter::Engine> engine_;
};

inline Limit token_bucket(Units rate, Nanos per, std::optional<Units> burst = {}) {
  return {.rate = rate, .per = per, .algorithm = Algorithm::kTokenBucket, .burst = burst};
}
inline Limit sliding_log(Units rate, Nanos per) {
  return {.rate = rate, .per = per, .algorithm = Algorithm::kSlidingWindowLog, .burst = {}};
}
inline Limit calendar(Units rate, Align align, const std::string& timezone = "") {
  Limit limit{.rate = rate, .algorithm = Algorithm::kFixedWindowCounter};
  limit.align = align;
  limit.timezone = timezone;
  return limit;
}
/// One limit of these windows.
inline Limit several(std::vector<Limit> windows) {
  Limit limit = windows.front();
  limit.further.assign(windows.begin() + 1, windows.end());
  return limit;
}
inline Limit fixed_window(Units rate, Nanos per) {
  return {.rate = rate, .per = per, .algorithm = Algorithm::kFixedWindowCounter, .burst = {}};
}

}  // namespace flint::testing
