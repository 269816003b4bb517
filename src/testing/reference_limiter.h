#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "testing/engine_fixture.h"
#include "testing/reference_time.h"
#include "testing/reference_usage.h"
#include "testing/status_sums.h"

/// What a limiter should do, written to be read: a map of keys, no log, no coalescing, no ids. A restart is a no-op but
/// for the time line and, after a kill, for the denials that no record held yet.
namespace flint::testing {

class ReferenceLimiter {
 public:
  explicit ReferenceLimiter(const FakeClock& clock) : time_(clock) { open(); }

  // Restarts.

  /// From here on, `clock` is that of the machine.
  void open(const FakeClock& clock) {
    time_.use(clock);
    open();
  }
  void open() {
    time_.open();
    births_ = 0;
    note_jump();
  }
  void close() { tick(); }
  /// A wall clock that jumps is an event.
  void note_jump() {
    if (const limiter::Moment at = now(); time_.jumped(at)) note(at);
  }
  void kill() {
    for (auto& [name, key] : keys_) lose(key.status, key.pending);
    for (auto& [name, pattern] : patterns_) lose(pattern.forgotten, pattern.pending);
  }

  /// Denials reach the log, and keys whose quota is full again are forgotten.
  void tick() {
    log_denials();
    forget_fresh();
  }
  void log_denials() {
    log_denied();
    for (auto& [name, key] : keys_) log_would_deny(name, key.pending);
    for (auto& [name, pattern] : patterns_) log_would_deny(name, pattern.pending);
  }
  /// What limits in shadow mode would have denied comes after this.
  void log_denied() {
    note_jump();
    for (auto& [name, key] : keys_) log_denied(name, key.pending);
    for (auto& [name, pattern] : patterns_) log_denied(name, pattern.pending);
  }
  void forget_fresh() {
    const limiter::Moment at = now();
    for (auto next = keys_.begin(); next != keys_.end();) {
      const auto entry = next++;
      if (entry->second.set || !is_fresh(entry->second, at)) continue;
      const Usage& latest = entry->second.usages.front();
      const std::string pattern = pattern_of(entry->first, false);
      if (latest.pattern != 0 && !pattern.empty()) {
        Pattern& counts = patterns_.at(pattern);
        counts.pending.denied_before = std::max(counts.pending.denied_before, entry->second.status.last_denied_at);
        add(entry->second.status, counts.forgotten);
      }
      entry->second.pending.would_deny = {};
      log(entry->first, entry->second, at, std::nullopt);
      keys_.erase(entry);
    }
  }

  // Operations; arguments are valid, and a limit holds for the key.

  void limit(const std::string& name, const Limit& wanted, const LimitOptions& options = {}, bool from_file = false) {
    const limiter::Moment at = now();
    const Limit limit = normalized(wanted);
    if (is_so(name, limit, options) && (is_from_file(name) || !from_file)) return;
    if (is_pattern(name)) return set_pattern(name, limit, options, from_file, at);
    const auto [entry, is_new] = keys_.try_emplace(name);
    Key& key = entry->second;
    key.from_file = from_file;
    const bool is_same_limit = !is_new && key.set && key.limit() == limit;
    if (is_new) {
      key.status.key = name;
      key.usages.push_back({limit, 0, {limit, at.time}});
    } else if (!is_same_limit) {
      key.usages.resize(1, key.usages.front());
      key.usages.front().model.reconfigure(limit, at.time);
      key.usages.front().limit = limit;
      key.usages.front().pattern = 0;
    }
    key.set = true;
    key.mode = options.mode;
    log(name, key, at, configured(limit, options.mode, at));
  }

  /// Limits and patterns that were set.
  [[nodiscard]] std::vector<std::string> names_of_limits() const {
    std::vector<std::string> names;
    for (const auto& [name, key] : keys_) {
      if (key.set) names.push_back(name);
    }
    for (const auto& [name, pattern] : patterns_) names.push_back(name);
    return names;
  }
  /// A limit or pattern with this name says this already.
  [[nodiscard]] bool is_so(const std::string& name, const Limit& limit, const LimitOptions& options) const {
    if (patterns_.contains(name)) {
      const Pattern& pattern = patterns_.at(name);
      const bool overrides = options.overrides || options.mode != Mode::kEnforce;
      return pattern.limit == normalized(limit) && pattern.overrides == overrides && pattern.mode == options.mode;
    }
    const auto key = keys_.find(name);
    return key != keys_.end() && key->second.set && key->second.limit() == normalized(limit) &&
           key->second.mode == options.mode;
  }
  [[nodiscard]] bool is_from_file(const std::string& name) const {
    if (patterns_.contains(name)) return patterns_.at(name).from_file;
    return keys_.contains(name) && keys_.at(name).from_file;
  }
  /// As before the first record of what comes next.
  void note_now() { note(now()); }

  Decision check(const std::string& name, Units cost, const std::optional<Limit>& carried = {}) {
    CheckAllResult result = check_all({{name, cost, carried ? &*carried : nullptr}});
    return result.results.front();
  }

  /// `dry_run`: nothing comes of it.
  CheckAllResult check_all(const std::vector<CheckItem>& items, bool dry_run = false) {
    const limiter::Moment at = now();
    CheckAllResult result;
    std::vector<Usage> usages;
    for (const CheckItem& item : items) {
      const std::string name(item.key);
      const std::optional<Limit> carried = item.limit == nullptr ? std::nullopt : std::optional(*item.limit);
      usages.push_back(usage_for(name, carried, at));
      result.results.push_back(usages.back().decide(name, mode_for(name, carried), item.cost, at));
      if (result.results.back().allowed) continue;
      for (std::size_t i = 0; i + 1 < result.results.size(); ++i) usages[i].show_left(result.results[i], at);
      result.denied_key = name;
      if (!dry_run) deny(name, item.cost, at);
      return result;
    }
    result.allowed = true;
    if (dry_run) return result;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::string name(items[i].key);
      if (result.results[i].would_deny.value_or(false)) {
        would_deny(name, items[i].cost, at);
      } else {
        consume(name, usages[i], items[i].cost, at);
      }
    }
    if (births_ >= 16) {
      births_ = 0;
      forget_fresh();
    }
    return result;
  }

  /// With a request id. Nothing if another request has it.
  std::optional<CheckAllResult> check_once(const std::string& id, const std::vector<CheckItem>& items, bool is_check) {
    const limiter::Moment at = now();
    std::string asked = is_check ? "check" : "check_all";
    for (const CheckItem& item : items) {
      asked += "|" + std::string(item.key) + "|" + std::to_string(item.cost) + "|" +
               (item.limit == nullptr ? "" : to_text(normalized(*item.limit)));
    }
    const auto first = requests_.find(id);
    if (first != requests_.end() && at.time - first->second.at < std::chrono::minutes(10)) {
      return first->second.asked == asked ? std::optional(first->second.answer) : std::nullopt;
    }
    const CheckAllResult answer = check_all(items);
    const auto is_charged = [](const Decision& one) { return !one.would_deny.value_or(false); };
    if (answer.allowed && std::any_of(answer.results.begin(), answer.results.end(), is_charged)) {
      Request& remembered = requests_[id] = {asked, at.time, answer};
      for (Decision& one : remembered.answer.results) one.details = nullptr;
    }
    return answer;
  }

  void reset(const std::string& name) {
    const limiter::Moment at = now();
    if (is_pattern(name)) return reset_pattern(name, at);
    const auto entry = keys_.find(name);
    if (entry == keys_.end()) return;
    for (Usage& usage : entry->second.usages) usage.model = reference::LimitModel(usage.limit, at.time);
    entry->second.status.last_reset_at = at.wall;
    log(name, entry->second, at, Event{.kind = EventKind::kReset, .at = at.wall, .limit = {}});
  }

  void remove(const std::string& name) {
    const limiter::Moment at = now();
    if (is_pattern(name)) {
      patterns_.erase(name);
      note(at);
    } else {
      log(name, keys_.at(name), at, std::nullopt);
      keys_.erase(name);
    }
  }

  // What is seen.

  [[nodiscard]] bool is_there(const std::string& name) const {
    return keys_.contains(name) || patterns_.contains(name);
  }
  /// Whether a limit holds, or was the last one, without one that is carried.
  [[nodiscard]] bool has(const std::string& name) const { return is_there(name) || !pattern_of(name, false).empty(); }
  /// Whether a check that carries none finds a limit.
  [[nodiscard]] bool holds_for(const std::string& name) const {
    const auto key = keys_.find(name);
    return (key != keys_.end() && key->second.set) || !pattern_of(name, false).empty();
  }
  /// The limit that a check is decided by.
  [[nodiscard]] Limit limit_of(const std::string& name, const std::optional<Limit>& carried = {}) {
    return patterns_.contains(name) ? patterns_.at(name).limit : usage_for(name, carried, now()).limit;
  }
  /// Of that limit.
  [[nodiscard]] Mode mode_for(const std::string& name, const std::optional<Limit>& carried) const {
    const auto entry = keys_.find(name);
    if (entry != keys_.end() && entry->second.set) return entry->second.mode;
    const std::string pattern = pattern_of(name, carried.has_value());
    return pattern.empty() ? Mode::kEnforce : patterns_.at(pattern).mode;
  }
  [[nodiscard]] LimitStatus status(const std::string& name) {
    const limiter::Moment at = now();
    LimitStatus status;
    std::vector<algorithm::Verdict> verdicts;
    if (patterns_.contains(name)) {
      const Pattern& pattern = patterns_.at(name);
      status = pattern.forgotten;
      status.source = pattern.from_file ? Source::kFile : Source::kSet;
      status.limit = pattern.limit;
      status.overrides = pattern.overrides;
      status.mode = pattern.mode;
      status.keys = 0;
      for (const auto& [key_name, key] : keys_) {
        if (key.set || key.usages.front().pattern == 0 || pattern_of(key_name, false) != name) continue;
        ++*status.keys;
        add(key.status, status);
      }
      verdicts = reference::LimitModel(pattern.limit, at.time).view_each(limiter::present(at));
    } else {
      const auto key = keys_.find(name);
      if (key != keys_.end()) status = key->second.status;
      const std::string pattern = pattern_of(name, false);
      const bool is_set = key != keys_.end() && key->second.set;
      const bool last_carried = key != keys_.end() && key->second.usages.front().pattern == 0;
      if (is_set || pattern.empty() || (last_carried && !patterns_.at(pattern).overrides)) {
        status.source = !is_set ? Source::kCarried : key->second.from_file ? Source::kFile : Source::kSet;
        status.limit = key->second.limit();
        if (is_set) status.mode = key->second.mode;
        verdicts = key->second.usages.front().model.view_each(limiter::present(at));
      } else {
        const Usage usage = usage_for(name, {}, at);
        status.source = Source::kPattern;
        status.pattern = pattern;
        status.limit = usage.limit;
        status.mode = patterns_.at(pattern).mode;
        verdicts = usage.model.view_each(limiter::present(at));
      }
    }
    status.key = name;
    const algorithm::Verdict& shown = verdicts[reference::LimitModel::shown(verdicts)];
    status.remaining = shown.remaining;
    status.reset_at = limiter::shown_reset(at, shown.reset_after);
    status.windows = reference::windows(status.limit, verdicts, at);
    return status;
  }
  [[nodiscard]] std::vector<std::string> statuses() {
    std::map<std::string, std::string> texts;
    for (const auto& [name, key] : keys_) texts[name] = to_text(status(name));
    for (const auto& [name, pattern] : patterns_) texts[name] = to_text(status(name));
    std::vector<std::string> sorted;
    for (const auto& [name, text] : texts) sorted.push_back(text);
    return sorted;
  }
  /// All that ever reached the log, oldest first.
  [[nodiscard]] std::vector<Event> events(const std::string& name) const {
    const auto found = events_.find(name);
    return found == events_.end() ? std::vector<Event>() : found->second;
  }
  [[nodiscard]] std::size_t born() const {
    return static_cast<std::size_t>(
        std::count_if(keys_.begin(), keys_.end(), [](const auto& entry) { return !entry.second.set; }));
  }

 private:
  using Usage = reference::Usage;
  /// What no record holds yet.
  struct Pending {
    limiter::Denials denied;
    std::optional<WallTime> denied_before;
    limiter::Denials would_deny;
  };
  struct Key {
    /// Its counters.
    LimitStatus status;
    bool set = false;
    Mode mode = Mode::kEnforce;
    bool from_file = false;
    /// That of the rule that decided last is first.
    std::vector<Usage> usages;
    Pending pending;

    [[nodiscard]] const Limit& limit() const { return usages.front().limit; }
  };
  struct Pattern {
    Limit limit;
    bool overrides = false;
    Mode mode = Mode::kEnforce;
    bool from_file = false;
    /// No other pattern ever has it, also none of the same name.
    std::uint64_t number = 0;
    /// The counters of the keys that are forgotten, and of those that never came to life.
    LimitStatus forgotten;
    Pending pending;
  };

  static Limit normalized(Limit limit) {
    if (limit.burst == limit.rate) limit.burst.reset();
    if (limit.timezone == "UTC") limit.timezone.clear();
    for (Limit& window : limit.further) window = normalized(window);
    return limit;
  }

  /// The name of the one that holds for a check; empty if there is none.
  [[nodiscard]] std::string pattern_of(const std::string& name, bool carries) const {
    std::string longest;
    std::string overriding;
    for (const auto& [pattern, rule] : patterns_) {
      if (!name.starts_with(pattern.substr(0, pattern.size() - 1))) continue;
      if (pattern.size() > longest.size()) longest = pattern;
      if (rule.overrides && pattern.size() > overriding.size()) overriding = pattern;
    }
    if (!overriding.empty()) return overriding;
    return carries ? "" : longest;
  }
  [[nodiscard]] bool is_deleted(std::uint64_t pattern) const {
    return pattern != 0 && std::none_of(patterns_.begin(), patterns_.end(),
                                        [&](const auto& entry) { return entry.second.number == pattern; });
  }

  /// A copy of the usage that decides, or what it would begin with.
  Usage usage_for(const std::string& name, const std::optional<Limit>& carried, const limiter::Moment& at) {
    const auto entry = keys_.find(name);
    if (entry != keys_.end() && entry->second.set) return entry->second.usages.front();
    const std::string pattern = pattern_of(name, carried.has_value());
    const Limit limit = pattern.empty() ? normalized(carried.value()) : patterns_.at(pattern).limit;
    const std::uint64_t number = pattern.empty() ? 0 : patterns_.at(pattern).number;
    if (entry == keys_.end()) return {limit, number, {limit, at.time}};
    for (const Usage& usage : entry->second.usages) {
      if (usage.pattern == number && usage.limit == limit) return usage;
    }
    return {limit, number, entry->second.usages.front().model.succeeded_by(limit, at.time)};
  }

  void set_pattern(const std::string& name, const Limit& limit, const LimitOptions& options, bool from_file,
                   const limiter::Moment& at) {
    const auto [entry, is_new] = patterns_.try_emplace(name);
    Pattern& pattern = entry->second;
    const bool overrides = options.overrides || options.mode != Mode::kEnforce;
    pattern.from_file = from_file;
    if (is_new) pattern.number = ++patterns_ever_;
    pattern.overrides = overrides;
    pattern.mode = options.mode;
    for (auto& [key_name, key] : keys_) {
      for (Usage& usage : key.usages) {
        if (usage.pattern != pattern.number || limit == pattern.limit) continue;
        usage.model.reconfigure(limit, at.time);
        usage.limit = limit;
      }
    }
    pattern.limit = limit;
    log_denied(name, pattern.pending);
    events_[name].push_back(configured(limit, options.mode, at));
    note(at);
  }
  static Event configured(const Limit& limit, Mode mode, const limiter::Moment& at) {
    return {.kind = EventKind::kConfigured, .at = at.wall, .limit = limit, .mode = mode};
  }
  void reset_pattern(const std::string& name, const limiter::Moment& at) {
    Pattern& pattern = patterns_.at(name);
    pattern.forgotten.last_reset_at = at.wall;
    for (auto& [key_name, key] : keys_) {
      for (Usage& usage : key.usages) {
        if (usage.pattern != pattern.number) continue;
        usage.model = reference::LimitModel(usage.limit, at.time);
        key.status.last_reset_at = at.wall;
      }
    }
    log_denied(name, pattern.pending);
    events_[name].push_back({.kind = EventKind::kReset, .at = at.wall, .limit = {}});
    note(at);
  }

  [[nodiscard]] static bool is_fresh(const Key& key, const limiter::Moment& at) {
    return std::all_of(key.usages.begin(), key.usages.end(),
                       [&](const Usage& usage) { return usage.model.is_fresh(limiter::present(at)); });
  }
  limiter::Moment now() { return time_.now(); }
  void note(const limiter::Moment& at) { time_.note(at); }

  /// Every rule that the key was decided by of late sees all of its traffic.
  void consume(const std::string& name, Usage deciding, Units cost, const limiter::Moment& at) {
    const auto [entry, is_new] = keys_.try_emplace(name);
    Key& key = entry->second;
    if (is_new) ++births_;
    deciding.model.consume(cost, limiter::present(at));
    std::vector<Usage> usages = {deciding};
    for (Usage& other : key.usages) {
      if (other.pattern == deciding.pattern && other.limit == deciding.limit) continue;
      if (is_deleted(other.pattern) || usages.size() == 4) continue;
      other.model.charge(cost, limiter::present(at));
      usages.push_back(other);
    }
    key.usages = usages;
    ++key.status.total_allowed;
    key.status.total_allowed_cost += cost;
    key.status.last_allowed_at = at.wall;
    log(name, key, at, Event{.kind = EventKind::kAllowed, .at = at.wall, .cost = cost, .limit = {}});
  }
  /// Where it is counted: at the key, or at its pattern where the key never came to life.
  std::pair<LimitStatus&, Pending&> counted(const std::string& name) {
    if (keys_.contains(name)) return {keys_.at(name).status, keys_.at(name).pending};
    Pattern& pattern = patterns_.at(pattern_of(name, false));
    return {pattern.forgotten, pattern.pending};
  }
  void deny(const std::string& name, Units cost, const limiter::Moment& at) {
    auto [status, pending] = counted(name);
    if (pending.denied.count == 0) pending.denied_before = status.last_denied_at;
    pending.denied = {.count = pending.denied.count + 1, .cost = pending.denied.cost + cost, .last = at.wall};
    ++status.total_denied;
    status.total_denied_cost += cost;
    status.last_denied_at = at.wall;
    // A pattern's is the latest of all.
    if (!keys_.contains(name)) status.last_denied_at = std::max(pending.denied_before, status.last_denied_at);
  }
  void would_deny(const std::string& name, Units cost, const limiter::Moment& at) {
    auto [status, pending] = counted(name);
    limiter::Denials& would = pending.would_deny;
    would = {.count = would.count + 1, .cost = would.cost + cost, .last = at.wall};
    ++status.would_deny;
  }
  static void lose(LimitStatus& status, Pending& pending) {
    status.total_denied -= pending.denied.count;
    status.total_denied_cost -= pending.denied.cost;
    status.would_deny -= pending.would_deny.count;
    if (pending.denied.count > 0) status.last_denied_at = pending.denied_before;
    pending = {};
  }
  void log(const std::string& name, Key& key, const limiter::Moment& at, const std::optional<Event>& event) {
    log_denied(name, key.pending);
    if (event) events_[name].push_back(*event);
    note(at);
  }
  void log_denied(const std::string& name, Pending& pending) {
    const limiter::Denials denied = std::exchange(pending.denied, {});
    if (denied.count == 0) return;
    events_[name].push_back(summed_up(EventKind::kDenied, denied));
    note(now());
  }
  void log_would_deny(const std::string& name, Pending& pending) {
    const limiter::Denials would = std::exchange(pending.would_deny, {});
    if (would.count == 0) return;
    events_[name].push_back(summed_up(EventKind::kWouldDeny, would));
    note(now());
  }
  static Event summed_up(EventKind kind, const limiter::Denials& denials) {
    return {.kind = kind, .at = denials.last, .cost = denials.cost, .count = denials.count, .limit = {}};
  }

  ReferenceTime time_;
  std::map<std::string, Key> keys_;
  std::map<std::string, Pattern> patterns_;
  /// A request that was charged under an id.
  struct Request {
    std::string asked;
    Time at{};
    CheckAllResult answer;
  };
  std::map<std::string, Request> requests_;
  std::map<std::string, std::vector<Event>> events_;
  std::uint64_t patterns_ever_ = 0;
  /// Since keys were last forgotten for the sake of births.
  std::size_t births_ = 0;
};

}  // namespace flint::testing
