#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "testing/engine_fixture.h"
#include "testing/reference_model.h"

/// What a limiter should do, written to be read: a map of keys, no log, no coalescing, no ids. A restart is a no-op but
/// for the time line and, after a kill, for the denials that no record held yet.
namespace flint::testing {

class ReferenceLimiter {
 public:
  explicit ReferenceLimiter(const FakeClock& clock) : clock_(&clock) { open(); }

  // Restarts.

  /// From here on, `clock` is that of the machine.
  void open(const FakeClock& clock) {
    clock_ = &clock;
    open();
  }
  void open() {
    const ClockReading reading = clock_->read();
    boot_ = reading.boot;
    origin_ = std::max(Time(reading.wall.time_since_epoch() + ahead_), persisted_);
    if (anchor_ && anchor_->boot == clock_->boot_id() && anchor_->at_boot + reading.boot >= persisted_) {
      origin_ = anchor_->at_boot + reading.boot;
    }
    time_ = origin_;
    note_jump();
  }
  void close() { tick(); }
  /// A wall clock that jumps is an event.
  void note_jump() {
    if (const limiter::Moment at = now(); jumped(at)) note(at);
  }
  void kill() {
    for (auto& [name, key] : keys_) {
      key.status.total_denied -= key.pending.count;
      key.status.total_denied_cost -= key.pending.cost;
      if (key.pending.count > 0) key.status.last_denied_at = key.denied_before;
      key.pending = {};
    }
  }

  /// Denials reach the log.
  void tick() {
    note_jump();
    for (auto& [name, key] : keys_) {
      if (key.pending.count > 0) log(key, now(), std::nullopt);
    }
  }

  // Operations; arguments are valid, and keys have a limit.

  void limit(const std::string& name, Limit limit) {
    if (limit.burst == limit.rate) limit.burst.reset();
    const limiter::Moment at = now();
    const auto found = keys_.find(name);
    if (found == keys_.end()) {
      const auto [added, is_new] = keys_.emplace(name, Key{{}, {limit, at.time}, {}, {}, {}});
      added->second.status.key = name;
      added->second.status.limit = limit;
      log(added->second, at, Event{.kind = EventKind::kConfigured, .at = at.wall, .limit = limit});
    } else if (found->second.status.limit != limit) {
      Key& key = found->second;
      key.model.reconfigure(limit, at.time);
      key.status.limit = limit;
      log(key, at, Event{.kind = EventKind::kConfigured, .at = at.wall, .limit = limit});
    }
  }

  Decision check(const std::string& name, Units cost) {
    const limiter::Moment at = now();
    Key& key = keys_.at(name);
    const algorithm::Verdict verdict = key.model.decide(cost, at.time);
    if (verdict.allowed) {
      consume(key, cost, at);
    } else {
      deny(key, cost, at);
    }
    return decision(key, cost, verdict, at);
  }

  CheckAllResult check_all(const std::vector<CheckItem>& items) {
    const limiter::Moment at = now();
    CheckAllResult result;
    for (const CheckItem& item : items) {
      Key& key = keys_.at(std::string(item.key));
      const algorithm::Verdict verdict = key.model.decide(item.cost, at.time);
      if (!verdict.allowed) {
        for (Decision& earlier : result.results) earlier = untouched(earlier, at);
        result.denied_key = item.key;
        result.results.push_back(decision(key, item.cost, verdict, at));
        deny(key, item.cost, at);
        return result;
      }
      result.results.push_back(decision(key, item.cost, verdict, at));
    }
    result.allowed = true;
    for (const CheckItem& item : items) consume(keys_.at(std::string(item.key)), item.cost, at);
    return result;
  }

  void reset(const std::string& name) {
    const limiter::Moment at = now();
    Key& key = keys_.at(name);
    key.model = reference::Model(key.status.limit, at.time);
    key.status.last_reset_at = at.wall;
    log(key, at, Event{.kind = EventKind::kReset, .at = at.wall, .limit = {}});
  }

  // What is seen.

  [[nodiscard]] bool has(const std::string& name) const { return keys_.contains(name); }
  [[nodiscard]] Limit limit_of(const std::string& name) const { return keys_.at(name).status.limit; }
  [[nodiscard]] LimitStatus status(const std::string& name) {
    const limiter::Moment at = now();
    const Key& key = keys_.at(name);
    LimitStatus status = key.status;
    const algorithm::View view = key.model.view(at.time);
    status.remaining = view.remaining;
    status.reset_at = limiter::shown_reset(at, view.reset_after);
    return status;
  }
  [[nodiscard]] std::vector<std::string> statuses() {
    std::vector<std::string> texts;
    for (const auto& [name, key] : keys_) texts.push_back(to_text(status(name)));
    return texts;
  }
  /// All that ever reached the log, oldest first.
  [[nodiscard]] const std::vector<Event>& events(const std::string& name) const { return keys_.at(name).events; }

 private:
  struct Key {
    LimitStatus status;
    reference::Model model;
    limiter::Denials pending;
    std::optional<WallTime> denied_before;
    std::vector<Event> events;
  };

  limiter::Moment now() {
    const ClockReading reading = clock_->read();
    time_ = std::max(time_, origin_ + (reading.boot - boot_));
    const Nanos offset = reading.wall.time_since_epoch() - time_.time_since_epoch();
    return {time_, WallTime(time_.time_since_epoch() + std::chrono::floor<std::chrono::milliseconds>(offset))};
  }

  static std::uint64_t ms(Nanos time) {
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
  }
  static Decision decision(const Key& key, Units cost, const algorithm::Verdict& verdict, const limiter::Moment& at) {
    return {.key = key.status.key,
            .allowed = verdict.allowed,
            .cost = cost,
            .capacity = key.status.limit.capacity(),
            .remaining = verdict.remaining,
            .reset_at = limiter::shown_reset(at, verdict.reset_after),
            .reset_after_ms = ms(verdict.reset_after),
            .retry_after_ms = ms(verdict.retry_after),
            .algorithm = key.status.limit.algorithm};
  }
  Decision untouched(const Decision& decided, const limiter::Moment& at) {
    const Key& key = keys_.at(decided.key);
    const algorithm::View view = key.model.view(at.time);
    return decision(key, decided.cost, {true, view.remaining, view.reset_after, Nanos(0)}, at);
  }

  void consume(Key& key, Units cost, const limiter::Moment& at) {
    key.model.consume(cost, at.time);
    ++key.status.total_allowed;
    key.status.total_allowed_cost += cost;
    key.status.last_allowed_at = at.wall;
    log(key, at, Event{.kind = EventKind::kAllowed, .at = at.wall, .cost = cost, .limit = {}});
  }
  void deny(Key& key, Units cost, const limiter::Moment& at) {
    if (key.pending.count == 0) key.denied_before = key.status.last_denied_at;
    key.pending = {.count = key.pending.count + 1, .cost = key.pending.cost + cost, .last = at.wall};
    ++key.status.total_denied;
    key.status.total_denied_cost += cost;
    key.status.last_denied_at = at.wall;
  }
  void log(Key& key, const limiter::Moment& at, const std::optional<Event>& event) {
    if (key.pending.count > 0) {
      key.events.push_back({.kind = EventKind::kDenied,
                            .at = key.pending.last,
                            .cost = key.pending.cost,
                            .count = key.pending.count,
                            .limit = {}});
    }
    key.pending = {};
    if (event) key.events.push_back(*event);
    note(at);
  }

  /// What an event lets a later open know of the time.
  void note(const limiter::Moment& at) {
    persisted_ = at.time;
    if (jumped(at)) ahead_ = ahead(at);
    if (clock_->boot_id() != BootId{}) anchor_ = {clock_->boot_id(), origin_ - boot_};
  }
  static Nanos ahead(const limiter::Moment& at) {
    return std::max(at.time.time_since_epoch() - at.wall.time_since_epoch() - std::chrono::milliseconds(1), Nanos(0));
  }
  [[nodiscard]] bool jumped(const limiter::Moment& at) const {
    return std::chrono::abs(ahead(at) - ahead_) >= std::chrono::seconds(1);
  }

  const FakeClock* clock_;
  std::map<std::string, Key> keys_;
  Time persisted_{};
  /// How far the limiter's time is ahead of the wall clock, as far as the log knows.
  Nanos ahead_{};
  /// In this boot, time is `at_boot` plus what the boot-time clock says.
  struct Anchor {
    BootId boot;
    Time at_boot;
  };
  std::optional<Anchor> anchor_;
  Time origin_{};
  Time time_{};
  Nanos boot_{};
};

}  // namespace flint::testing
