#include <algorithm>
#include <deque>
#include <iterator>
#include <queue>
#include <thread>
#include <utility>

#include "limiter/engine.h"

/// The reads: none of them changes what is decided, none holds the mutex for longer than a page of keys.
namespace flint::limiter {
namespace {

// Each takes the mutex for some tens of microseconds.
constexpr std::size_t kKeysAtOnce = 256;
constexpr std::size_t kPointersAtOnce = 8192;

/// A mutex goes to whoever asks first, and that is nearly always the thread that has just let go of it: without a
/// pause, a listing of a million keys kept checks waiting until its end.
void let_others_in() { std::this_thread::sleep_for(std::chrono::microseconds(20)); }

flint::Event public_event(const LogEvent& event, const KeyEvent& item, storage::Seq seq) {
  flint::Event out{
      .kind = EventKind::kReset, .seq = seq, .at = event.at.wall, .cost = item.cost, .count = 1, .limit = {}};
  if (event.type == EventType::kAllowed) out.kind = EventKind::kAllowed;
  if (event.type == EventType::kConfigured) {
    out.kind = EventKind::kConfigured;
    out.limit = event.limit;
  }
  return out;
}

flint::Event denied_event(const KeyEvent& item, storage::Seq seq) {
  return {.kind = EventKind::kDenied,
          .seq = seq,
          .at = item.denials.last,
          .cost = item.denials.cost,
          .count = item.denials.count,
          .limit = {}};
}

}  // namespace

LimitStatus Engine::describe(const KeyEntry& entry, const Moment& at) const {
  const Denials pending = pending_.of(entry);
  const algorithm::View view = algorithm::view(entry.usage.state, entry.limit(), at.time);
  LimitStatus status{.key = std::string(entry.key.view()),
                     .limit = entry.limit(),
                     .remaining = view.remaining,
                     .reset_at = shown_reset(at, view.reset_after),
                     .total_allowed = entry.counters.allowed,
                     .total_denied = entry.counters.denied + pending.count,
                     .total_allowed_cost = entry.counters.allowed_cost,
                     .total_denied_cost = entry.counters.denied_cost + pending.cost,
                     .last_allowed_at = entry.counters.last_allowed_at,
                     .last_denied_at = entry.counters.last_denied_at,
                     .last_reset_at = entry.counters.last_reset_at};
  if (pending.count > 0) status.last_denied_at = pending.last;
  return status;
}

void Engine::describe(std::span<const KeyEntry* const> entries, std::vector<LimitStatus>& statuses) {
  std::vector<LimitStatus> part;  // so that `statuses` does not grow, and move, under the mutex
  while (!entries.empty()) {
    const auto next = entries.first(std::min(kKeysAtOnce, entries.size()));
    entries = entries.subspan(next.size());
    part.clear();
    part.reserve(next.size());
    {
      base::MutexLock lock(mutex_);
      const Moment at = clock_->now();
      for (const KeyEntry* entry : next) part.push_back(describe(*entry, at));
    }
    std::move(part.begin(), part.end(), std::back_inserter(statuses));
    if (!entries.empty()) let_others_in();
  }
}

Result<LimitStatus> Engine::status(std::string_view key) {
  if (Status open = check_open(); !open.ok()) return open;
  base::MutexLock lock(mutex_);
  const KeyEntry* entry = state_.keys.find(key);
  return entry == nullptr ? Result<LimitStatus>(no_limit(key)) : describe(*entry, clock_->now());
}

Result<std::vector<LimitStatus>> Engine::list(const ListQuery& query) {
  std::vector<LimitStatus> page;
  std::string from(std::max(query.prefix, query.after));
  bool inclusive = query.after < query.prefix;
  for (;;) {
    if (Status open = check_open(); !open.ok()) return open;
    const std::size_t most = std::min(kKeysAtOnce, query.max_rows - page.size());
    const std::vector<const KeyEntry*> next = in_order(query.prefix, from, inclusive, most);
    if (next.empty()) return page;
    describe(next, page);
    from = next.back()->key.view();
    inclusive = false;
  }
}

/// The order is brought up to date by the reader that needs it, under a mutex of its own: checks never wait for it, and
/// a process that never lists never builds it. The engine's mutex is held only to copy pointers to the keys that are
/// new, some thousands at a time.
std::vector<const KeyEntry*> Engine::in_order(std::string_view prefix, std::string_view from, bool inclusive,
                                              std::size_t most) {
  base::MutexLock lock(order_mutex_);
  for (std::vector<const KeyEntry*> added = keys_from(order_.size()); !added.empty();
       added = keys_from(order_.size())) {
    for (const KeyEntry* entry : added) order_.add(*entry);
  }
  return order_.page(prefix, from, inclusive, most);
}

/// Some keys, by their ids, from the first id on.
std::vector<const KeyEntry*> Engine::keys_from(std::size_t first_id) {
  std::vector<const KeyEntry*> keys;
  keys.reserve(kPointersAtOnce);
  base::MutexLock lock(mutex_);
  const std::size_t end = std::min(first_id + kPointersAtOnce, state_.keys.size());
  for (std::size_t id = first_id; id < end; ++id) keys.push_back(state_.keys.find(static_cast<KeyId>(id)));
  return keys;
}

template <typename Visit>
Status Engine::for_each_key(const Visit& visit) {
  for (KeyId id = 0;; let_others_in()) {
    if (Status open = check_open(); !open.ok()) return open;
    base::MutexLock lock(mutex_);
    for (std::size_t n = 0; n < kKeysAtOnce; ++n) {
      const KeyEntry* entry = state_.keys.next(id);
      if (entry == nullptr) return {};
      visit(*entry, pending_.of(*entry));
      id = entry->id + 1;
    }
  }
}

/// One pass over all keys keeps the best so far. Checks continue between the holds of the mutex, so the counts of the
/// pass are out of date at its end: the statuses are read again, and it is their counts that are ordered and shown.
Result<std::vector<LimitStatus>> Engine::top(TopBy by, std::size_t limit) {
  struct Ranked {
    std::uint64_t count;
    const KeyEntry* entry;
  };
  // The least of the best so far is on top: it goes first when a better one comes.
  const auto better = [](const Ranked& a, const Ranked& b) {
    return a.count != b.count ? a.count > b.count : a.entry->key.view() < b.entry->key.view();
  };
  std::priority_queue<Ranked, std::vector<Ranked>, decltype(better)> best(better);
  Status ranked = for_each_key([&](const KeyEntry& entry, const Denials& pending) {
    const std::uint64_t count = by == TopBy::kDenied ? entry.counters.denied + pending.count : entry.counters.allowed;
    if (count > 0) best.push({count, &entry});
    if (best.size() > limit) best.pop();
  });
  if (!ranked.ok()) return ranked;
  std::vector<const KeyEntry*> entries;
  for (; !best.empty(); best.pop()) entries.push_back(best.top().entry);
  std::vector<LimitStatus> ranking;
  describe(entries, ranking);
  // Checks went on meanwhile: the order is that of the counts that are shown.
  const auto shown = [by](const LimitStatus& status) {
    return by == TopBy::kDenied ? status.total_denied : status.total_allowed;
  };
  std::sort(ranking.begin(), ranking.end(), [&](const LimitStatus& a, const LimitStatus& b) {
    return shown(a) != shown(b) ? shown(a) > shown(b) : a.key < b.key;
  });
  return ranking;
}

/// Reads the log's files and not memory: a key keeps no past of its own. The mutex is held only to find the key's id. A
/// compaction may drop a segment while it is read; the store then starts the reading anew, and so does `newest`.
Result<std::vector<flint::Event>> Engine::history(std::string_view key, std::size_t limit) {
  if (Status open = check_open(); !open.ok()) return open;
  KeyId id = 0;
  {
    base::MutexLock lock(mutex_);
    const KeyEntry* entry = state_.keys.find(key);
    if (entry == nullptr) return no_limit(key);
    id = entry->id;
  }
  std::deque<flint::Event> newest;
  const auto keep = [&](const flint::Event& event) {
    newest.push_back(event);
    if (newest.size() > limit) newest.pop_front();
  };
  LogEvent event;
  bool sound = true;
  const auto take = [&](const storage::Record& record) {
    sound = decode_event(record, event);
    for (const KeyEvent& item : event.items) {
      if (!sound || item.id != id) continue;
      if (item.denials.count > 0) keep(denied_event(item, record.seq));
      if (event.type != EventType::kDenied) keep(public_event(event, item, record.seq));
    }
    return sound;
  };
  Status read = store_->read_log(take, [&newest] { newest.clear(); });
  if (!read.ok()) return read;
  if (!sound) return Status(Code::kCorruption, "a record of the log cannot be read: run `flint doctor` to see where.");
  return std::vector<flint::Event>(newest.begin(), newest.end());
}

}  // namespace flint::limiter
