#include <algorithm>
#include <deque>
#include <iterator>
#include <queue>
#include <thread>
#include <utility>

#include "limiter/engine.h"
#include "limiter/event_group.h"

/// The reads: none of them changes what is decided, none holds the mutex for longer than a page of keys.
namespace flint::limiter {
namespace {

// Each takes the mutex for some tens of microseconds.
constexpr std::size_t kKeysAtOnce = 256;
constexpr std::size_t kNamesAtOnce = 512;
// So many ids are looked at for them: where many keys were forgotten, most ids are free.
constexpr std::size_t kIdsAtOnce = 2048;

/// A mutex goes to whoever asks first, and that is nearly always the thread that has just let go of it: without a
/// pause, a listing of a million keys kept checks waiting until its end.
void let_others_in() { std::this_thread::sleep_for(std::chrono::microseconds(20)); }

flint::Event public_event(const LogEvent& event, Units cost, storage::Seq seq) {
  flint::Event out{.kind = EventKind::kReset, .seq = seq, .at = event.at.wall, .cost = cost, .count = 1, .limit = {}};
  if (event.type == EventType::kAllowed || event.type == EventType::kAllowedByRules) out.kind = EventKind::kAllowed;
  if (event.type == EventType::kCharged) out.kind = EventKind::kCharged;
  if (event.type == EventType::kReserved) out.kind = EventKind::kReserved;
  if (event.type == EventType::kSettled) out.kind = EventKind::kSettled;
  if (event.type == EventType::kExpired) out.kind = EventKind::kExpired;
  if (event.type == EventType::kConfigured || event.type == EventType::kModeChanged) {
    out.kind = EventKind::kConfigured;
    out.limit = event.limit;
    out.mode = event.mode;
  }
  return out;
}

flint::Event denied_event(const Denials& denials, storage::Seq seq, EventKind kind = EventKind::kDenied) {
  return {.kind = kind, .seq = seq, .at = denials.last, .cost = denials.cost, .count = denials.count, .limit = {}};
}

void add(const Counters& counters, LimitStatus& sum) {
  const auto later = [](std::optional<WallTime>& time, MaybeTime other) { time = std::max(MaybeTime(time), other); };
  sum.total_allowed += counters.allowed;
  sum.total_denied += counters.denied;
  sum.total_allowed_cost = base::saturating_add(sum.total_allowed_cost, counters.allowed_cost);
  sum.total_denied_cost = base::saturating_add(sum.total_denied_cost, counters.denied_cost);
  sum.would_deny = base::saturating_add(sum.would_deny, counters.would_deny);
  later(sum.last_allowed_at, counters.last_allowed_at);
  later(sum.last_denied_at, counters.last_denied_at);
  later(sum.last_reset_at, counters.last_reset_at);
}

/// How much of the status's limit is left: `state` is that of its usage.
void show_usage(LimitStatus& status, const algorithm::State& state, const Moment& at) {
  algorithm::WindowSpace space;
  const algorithm::WindowOutcomes* each = algorithm::view_windows(state, status.limit, present(at), space);
  if (each != nullptr) status.windows = shown_windows(status.limit, each, at);
  const algorithm::View view =
      each == nullptr ? algorithm::view(state, status.limit, present(at))
                      : algorithm::View{each->verdicts[each->shown].remaining, each->verdicts[each->shown].reset_after};
  status.remaining = view.remaining;
  status.reset_at = shown_reset(at, view.reset_after);
}

void show_held(LimitStatus& status, const KeyEntry& entry, const Moment& at) {
  const Held* const held = entry.held();
  if (held == nullptr) return;
  status.reserved = held->units(at.time);
  if (status.limit.algorithm != Algorithm::kConcurrency) return;
  const Units taken = held->slots(at.time);
  status.remaining = taken < status.limit.rate ? status.limit.rate - taken : 0;
  status.reset_at = shown_reset(at, held->when_slots(0, at.time) - at.time);
}

void show_unused(LimitStatus& status, const Moment& at) {
  if (!status.limit.further.empty()) status.windows = shown_windows(status.limit, nullptr, at);
  status.remaining = status.limit.lowest_capacity();
  status.reset_at = shown_reset(at, Nanos(0));
}

}  // namespace

/// A key may have no usage under the rule that holds for it now; its next check would begin one.
LimitStatus Engine::describe(KeyEntry& entry, const Moment& at) {
  if (entry.kind == KeyKind::kBorn) entry.follow_patterns();
  const Denials pending = pending_.of(entry);
  const Counters counters = entry.counters();
  LimitStatus status{.key = std::string(entry.key.view()),
                     .limit = entry.limit(),
                     .mode = entry.kind == KeyKind::kBorn ? Mode::kEnforce : entry.usage.rule.mode(),
                     .total_allowed = counters.allowed,
                     .total_denied = counters.denied + pending.count,
                     .total_allowed_cost = counters.allowed_cost,
                     .total_denied_cost = counters.denied_cost + pending.cost,
                     .would_deny = counters.would_deny + pending_.would_deny_of(entry).count,
                     .last_allowed_at = counters.last_allowed_at,
                     .last_denied_at = counters.last_denied_at,
                     .last_reset_at = counters.last_reset_at};
  if (pending.count > 0) {
    const bool is_sum = entry.kind == KeyKind::kPattern;
    status.last_denied_at = is_sum ? std::max(status.last_denied_at, std::optional(pending.last)) : pending.last;
  }
  if (entry.from_file) status.source = Source::kFile;
  if (entry.kind == KeyKind::kPattern) {
    status.overrides = entry.usage.rule.overrides();
    status.keys = 0;
    show_unused(status, at);
  } else if (entry.kind == KeyKind::kSet) {
    show_usage(status, entry.usage.state, at);
  } else {
    describe_born(entry, status, at);
  }
  show_held(status, entry, at);
  return status;
}

void Engine::describe_born(KeyEntry& entry, LimitStatus& status, const Moment& at) {
  const KeyEntry* pattern = state_.patterns.find(entry.key.view(), false);
  if (pattern == nullptr || (entry.usage.rule.version() == 0 && !pattern->usage.rule.overrides())) {
    status.source = Source::kCarried;
    return show_usage(status, entry.usage.state, at);
  }
  const Rule& rule = pattern->usage.rule;
  status.source = Source::kPattern;
  status.pattern = pattern->key.view();
  status.limit = rule.limit();
  status.mode = rule.mode();
  if (const Usage* usage = entry.find_usage(rule)) return show_usage(status, usage->state, at);
  show_usage(status, algorithm::succeed(entry.usage.state, entry.limit(), rule.limit(), at.time), at);
}

/// Of a key that a pattern matches and that is not there: as good as new.
LimitStatus Engine::describe_unborn(std::string_view key, const KeyEntry& pattern, const Moment& at) {
  LimitStatus status{.key = std::string(key),
                     .limit = pattern.limit(),
                     .source = Source::kPattern,
                     .pattern = std::string(pattern.key.view()),
                     .mode = pattern.usage.rule.mode()};
  show_unused(status, at);
  return status;
}

Status Engine::describe(std::span<const std::string> names, std::vector<LimitStatus>& statuses) {
  std::vector<LimitStatus> part;  // so that `statuses` does not grow, and move, under the mutex
  while (!names.empty()) {
    const auto next = names.first(std::min(kKeysAtOnce, names.size()));
    names = names.subspan(next.size());
    part.clear();
    part.reserve(next.size());
    {
      base::MutexLock lock(mutex_);
      const Moment at = clock_->now();
      expire(at);
      for (const std::string& name : next) {
        if (KeyEntry* entry = state_.keys.find(name)) part.push_back(describe(*entry, at));
      }
    }
    for (LimitStatus& status : part) {
      if (!status.keys) continue;
      if (Status summed = sum_up(status); !summed.ok()) return summed;
    }
    std::move(part.begin(), part.end(), std::back_inserter(statuses));
    if (!names.empty()) let_others_in();
  }
  return {};
}

Status Engine::sum_up(LimitStatus& pattern) {
  const std::string prefix = pattern.key.substr(0, pattern.key.size() - 1);
  std::string from = prefix;
  for (bool inclusive = true;; inclusive = false) {
    if (Status open = check_open(); !open.ok()) return open;
    const std::vector<std::string> names = in_order(true, prefix, from, inclusive, kKeysAtOnce);
    if (names.empty()) return {};
    from = names.back();
    {
      base::MutexLock lock(mutex_);
      for (const std::string& name : names) {
        KeyEntry* entry = state_.keys.find(name);
        if (entry == nullptr || entry->kind != KeyKind::kBorn || entry->usage.rule.version() == 0) continue;
        const KeyEntry* its_pattern = state_.patterns.find(name, false);
        if (its_pattern == nullptr || its_pattern->key.view() != pattern.key) continue;
        ++*pattern.keys;
        Counters counters = entry->counters();
        counters.add_denied(pending_.of(*entry));
        counters.add_would_deny(pending_.would_deny_of(*entry));
        add(counters, pattern);
      }
    }
    let_others_in();
  }
}

Result<LimitStatus> Engine::status(std::string_view key) {
  if (Status open = check_open(); !open.ok()) return open;
  std::optional<LimitStatus> status;
  {
    base::MutexLock lock(mutex_);
    const Moment at = clock_->now();
    expire(at);
    if (KeyEntry* entry = state_.keys.find(key)) {
      status = describe(*entry, at);
    } else if (!is_pattern(key) && validate_key(key).ok()) {
      if (const KeyEntry* pattern = state_.patterns.find(key, false)) status = describe_unborn(key, *pattern, at);
    }
  }
  if (!status) return no_limit(key);
  if (status->keys) {
    if (Status summed = sum_up(*status); !summed.ok()) return summed;
  }
  return std::move(*status);
}

std::optional<Limit> Engine::limit_of(std::string_view key) {
  if (!check_open().ok()) return std::nullopt;
  base::MutexLock lock(mutex_);
  const KeyEntry* entry = state_.keys.find(key);
  return entry == nullptr || entry->kind == KeyKind::kBorn ? std::nullopt : std::optional(entry->limit());
}

Result<std::vector<LimitStatus>> Engine::list(const ListQuery& query) {
  std::vector<LimitStatus> page;
  std::string from(std::max(query.prefix, query.after));
  bool inclusive = query.after < query.prefix;
  for (;;) {
    if (Status open = check_open(); !open.ok()) return open;
    const std::size_t most = std::min(kKeysAtOnce, query.max_rows - page.size());
    const std::vector<std::string> next = names_in_order(query, from, inclusive, most);
    if (next.empty()) return page;
    if (Status described = describe(next, page); !described.ok()) return described;
    from = next.back();
    inclusive = false;
  }
}

/// Born keys are in an order of their own: there may be millions beside some limits.
std::vector<std::string> Engine::names_in_order(const ListQuery& query, std::string_view from, bool inclusive,
                                                std::size_t most) {
  std::vector<std::string> names = in_order(false, query.prefix, from, inclusive, most);
  if (!query.keys) return names;
  const std::vector<std::string> born = in_order(true, query.prefix, from, inclusive, most);
  std::vector<std::string> both;
  std::set_union(names.begin(), names.end(), born.begin(), born.end(), std::back_inserter(both));
  if (both.size() > most) both.resize(most);
  return both;
}

std::vector<std::string> Engine::in_order(bool born, std::string_view prefix, std::string_view from, bool inclusive,
                                          std::size_t most) {
  base::MutexLock lock(order_mutex_);
  KeyOrder& order = born ? born_order_ : limit_order_;
  bring_up_to_date(order, born);
  const std::vector<std::string_view> page = order.page(prefix, from, inclusive, most);
  return {page.begin(), page.end()};
}

/// The order is brought up to date by the reader that needs it, under a mutex of its own: checks never wait for it, and
/// a process that never lists never builds it. The engine's mutex is held only to take over what changed, or to copy
/// the names of all keys, some hundreds at a time, where that is not known.
void Engine::bring_up_to_date(KeyOrder& order, bool born) {
  bool complete = true;
  std::vector<NameChanges::Change> changes;
  {
    base::MutexLock lock(mutex_);
    changes = (born ? born_names_ : limit_names_).take(complete);
  }
  if (complete) return order.apply(std::move(changes));
  order.clear();
  for (KeyId id = 0, end = 1; id < end; let_others_in()) {
    std::vector<NameChanges::Change> some;
    {
      base::MutexLock lock(mutex_);
      end = static_cast<KeyId>(state_.keys.end_id());
      for (std::size_t n = 0; n < kIdsAtOnce && some.size() < kNamesAtOnce && id < end; ++n) {
        const KeyEntry* entry = state_.keys.find(id++);
        if (entry == nullptr || (entry->kind == KeyKind::kBorn) != born) continue;
        some.push_back({.name = {}, .is_there = true});
        some.back().name.assign(entry->key);
      }
    }
    order.apply(std::move(some));
  }
  // What changed meanwhile was noted, and is applied by the next reader; this one sees a key or does not.
}

template <typename Visit>
Status Engine::for_each_key(const Visit& visit) {
  for (KeyId id = 0;; let_others_in()) {
    if (Status open = check_open(); !open.ok()) return open;
    base::MutexLock lock(mutex_);
    std::size_t visited = 0;
    for (std::size_t n = 0; n < kIdsAtOnce && visited < kKeysAtOnce; ++n) {
      if (id >= state_.keys.end_id()) return {};
      const KeyEntry* entry = state_.keys.find(id++);
      if (entry == nullptr) continue;
      visit(*entry, pending_.of(*entry));
      ++visited;
    }
  }
}

/// One pass over all keys keeps the best so far. Checks continue between the holds of the mutex, so the counts of the
/// pass are out of date at its end: the statuses are read again, and it is their counts that are ordered and shown.
Result<std::vector<LimitStatus>> Engine::top(TopBy by, std::size_t limit) {
  struct Ranked {
    std::uint64_t count;
    std::string name;
  };
  // The least of the best so far is on top: it goes first when a better one comes.
  const auto better = [](const Ranked& a, const Ranked& b) {
    return a.count != b.count ? a.count > b.count : a.name < b.name;
  };
  std::priority_queue<Ranked, std::vector<Ranked>, decltype(better)> best(better);
  Status ranked = for_each_key([&](const KeyEntry& entry, const Denials& pending) {
    const std::uint64_t count =
        by == TopBy::kDenied ? entry.counters().denied + pending.count : entry.counters().allowed;
    if (count == 0 || entry.kind == KeyKind::kPattern) return;
    if (best.size() == limit && (limit == 0 || count < best.top().count)) return;
    best.push({count, std::string(entry.key.view())});
    if (best.size() > limit) best.pop();
  });
  if (!ranked.ok()) return ranked;
  std::vector<std::string> names;
  for (; !best.empty(); best.pop()) names.push_back(best.top().name);
  std::vector<LimitStatus> ranking;
  if (Status described = describe(names, ranking); !described.ok()) return described;
  // Checks went on meanwhile: the order is that of the counts that are shown.
  const auto shown = [by](const LimitStatus& status) {
    return by == TopBy::kDenied ? status.total_denied : status.total_allowed;
  };
  std::sort(ranking.begin(), ranking.end(), [&](const LimitStatus& a, const LimitStatus& b) {
    return shown(a) != shown(b) ? shown(a) > shown(b) : a.key < b.key;
  });
  return ranking;
}

/// Which records of a log tell of a key: its id stands for another key once it was gone and the id was given back.
class Engine::History {
 public:
  /// `id` is the key's now, if it is there.
  History(std::string_view key, std::optional<KeyId> id, std::size_t most)
      : key_(key), id_(id), now_(id), most_(most) {}

  void take(const LogEvent& event, storage::Seq seq) {
    for (const KeyEvent& item : event.items) {
      if (event.type == EventType::kConfigured) names(item.id, event.key);
      if (item.id != id_) continue;
      const bool would_deny = event.type == EventType::kWouldDeny;
      const EventKind kind = would_deny ? EventKind::kWouldDeny : EventKind::kDenied;
      if (item.denials.count > 0) keep(denied_event(item.denials, seq, kind));
      if (event.type != EventType::kDenied && !would_deny) keep(public_event(event, item.cost, seq));
    }
    for (const RuledItem& item : event.ruled) {
      if (!item.born.empty()) names(item.id, item.born);
      if (item.id != id_) continue;
      if (item.denials.count > 0) keep(denied_event(item.denials, seq));
      keep(public_event(event, item.cost, seq));
    }
    if (event.settled) take_settled(event, seq);
    for (const ForgottenKey& gone : event.forgotten) {
      if (gone.id != id_) continue;
      if (gone.denials.count > 0) keep(denied_event(gone.denials, seq));
      id_.reset();
    }
    if (event.type == EventType::kPattern) take_pattern(event, seq);
  }
  void start_anew() {
    events_.clear();
    id_ = now_;
    is_named_ = false;
  }
  [[nodiscard]] std::vector<flint::Event> events() const { return {events_.begin(), events_.end()}; }

 private:
  /// Until a record names the key, what is taken is that of the id that it has now. It was another key's if a record
  /// names that one, or gives the id to this key.
  void names(KeyId id, std::string_view key) {
    if (key == key_) {
      if (!is_named_ && (id != id_ || !id_)) events_.clear();
      id_ = id;
      is_named_ = true;
    } else if (id == id_) {
      events_.clear();
      id_.reset();
    }
  }

  void take_settled(const LogEvent& event, storage::Seq seq) {
    for (const SettledItem& item : event.settled->items) {
      if (item.id != id_) continue;
      if (item.denials.count > 0) keep(denied_event(item.denials, seq));
      keep(public_event(event, item.cost, seq));
    }
  }

  void take_pattern(const LogEvent& event, storage::Seq seq) {
    names(event.pattern.id, event.pattern.name);
    if (event.pattern.name != key_) return;
    if (event.pattern.deleted) return id_.reset();
    if (event.pattern.denials.count > 0) keep(denied_event(event.pattern.denials, seq));
    flint::Event configured = public_event(event, 0, seq);
    configured.kind = event.pattern.resets ? EventKind::kReset : EventKind::kConfigured;
    if (!event.pattern.resets) {
      configured.limit = event.pattern.limit;
      configured.mode = event.pattern.mode;
    }
    keep(configured);
  }

  void keep(const flint::Event& event) {
    events_.push_back(event);
    if (events_.size() > most_) events_.pop_front();
  }

  const std::string_view key_;
  /// The one that stands for the key at this place of the log.
  std::optional<KeyId> id_;
  const std::optional<KeyId> now_;
  bool is_named_ = false;
  const std::size_t most_;
  std::deque<flint::Event> events_;
};

/// Reads the log's files and not memory: a key keeps no past of its own. The mutex is held only to find the key's id. A
/// compaction may drop a segment while it is read; the store then starts the reading anew, and so does the history.
Result<std::vector<flint::Event>> Engine::history(std::string_view key, std::size_t limit) {
  if (Status open = check_open(); !open.ok()) return open;
  std::optional<KeyId> id;
  {
    base::MutexLock lock(mutex_);
    if (const KeyEntry* entry = state_.keys.find(key)) {
      id = entry->id;
    } else if (is_pattern(key) || !validate_key(key).ok() || state_.patterns.find(key, false) == nullptr) {
      return no_limit(key);
    }
  }
  History history(key, id, limit);
  LogEvent event;
  EventGroup group;
  bool sound = true;
  const auto take = [&](const storage::Record& record) {
    sound = decode_event(record, event) && group.take(record, event.part);
    if (sound && !event.part) history.take(event, record.seq);
    if (!sound || !event.part || !event.part->ends) return sound;
    const Status taken = group.complete([&](const storage::Record& part) {
      sound = decode_event(part, event);
      if (sound) history.take(event, part.seq);
      return Status();
    });
    return sound && taken.ok();
  };
  Status read = store_->read_log(take, [&history] { history.start_anew(); });
  if (!read.ok()) return read;
  if (!sound) return Status(Code::kCorruption, "a record of the log cannot be read: run `flint doctor` to see where.");
  return history.events();
}

}  // namespace flint::limiter
