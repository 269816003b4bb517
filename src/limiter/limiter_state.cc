#include "limiter/limiter_state.h"

#include <fmt/format.h>

#include <utility>

#include "limiter/snapshot_codec.h"

namespace flint::limiter {
namespace {

// A piece of a snapshot that is taken in one hold of the mutex: some tens of microseconds. Of a sliding log of many
// runs the runs are only copied in it, some at a time, and encoded later, which takes ten times as long.
constexpr KeyId kKeysAtOnce = 64;
constexpr std::size_t kBytesAtOnce = 64 * 1024;
constexpr std::size_t kRunsEncodedAtOnce = 4 * 1024;
constexpr std::size_t kRunsCopiedAtOnce = 16 * 1024;

Status contradiction(std::string_view what, storage::Seq seq) {
  return {Code::kCorruption, fmt::format("record {} {}", seq, what)};
}

/// Checksums tell damage: what is whole and yet of a kind that is not known was written by a newer version.
Status newer(std::string_view what) { return {Code::kUnsupportedFormat, std::string(what)}; }

}  // namespace

void LimiterState::clear() {
  keys.clear();
  time = {};
  newest_loaded_ = Time{};
}

Status LimiterState::load(std::span<const std::byte> entry, storage::Seq max_seq) {
  if (!entry.empty() && entry.front() > static_cast<std::byte>(EntryType::kClock)) {
    return newer(fmt::format("an entry of type {}", std::to_integer<unsigned>(entry.front())));
  }
  SnapshotTime loaded{time, newest_loaded_};
  if (!load_entry(entry, keys, loaded))
    return {Code::kCorruption,
            "an entry of the snapshot cannot be read, or holds what no limiter writes (a key twice or out of "
            "order, a limit, count or time out of range, runs out of order)"};
  if (const KeyId count = keys.next_id(); count > 0 && keys.find(count - 1)->last_seq > max_seq) {
    return {Code::kCorruption, fmt::format("the snapshot ends with record {}, and one of its keys with record {}",
                                           max_seq, keys.find(count - 1)->last_seq)};
  }
  time = loaded.at_position;
  newest_loaded_ = loaded.newest;
  return {};
}

Status LimiterState::replay(const storage::Record& record) {
  if (record.kind > static_cast<storage::RecordKind>(EventType::kClock)) {
    const std::string_view name = reserved_kind_name(record.kind);
    return newer(fmt::format("record {} is of kind {}{}", record.seq, record.kind,
                             name.empty() ? "" : fmt::format(" ({})", name)));
  }
  if (!decode_event(record, event_))
    return contradiction("cannot be read as an event, or holds a time or a count that no limiter writes", record.seq);
  if (event_.at.time < time.last) return contradiction("is earlier than the record before it", record.seq);
  time.note(event_.at);
  if (event_.type == EventType::kClock) time.note_anchor(event_.at, event_.boot);
  if (event_.type == EventType::kConfigured) return replay_configured(event_, record.seq);
  for (const KeyEvent& item : event_.items) {
    if (Status applied = replay_item(event_, item, record.seq); !applied.ok()) return applied;
  }
  return {};
}

Status LimiterState::replay_configured(const LogEvent& event, storage::Seq seq) {
  const KeyEvent& item = event.items.front();
  KeyEntry* entry = keys.find(item.id);
  if (entry == nullptr) {
    if (item.id != keys.next_id() || keys.find(event.key) != nullptr) {
      return contradiction("configures a new key under an id that is not the next one", seq);
    }
    entry = &keys.add(event.key);
  }
  if (entry->key != event.key) return contradiction("configures a key under the id of another one", seq);
  if (seq <= entry->last_seq) return {};
  entry->limit = event.limit;
  if (!algorithm::restore(entry->state, item.after, entry->limit, 0, event.at.time)) {
    return contradiction("leaves a key in a state that its limit does not allow", seq);
  }
  entry->pending = item.denials;
  entry->note_record(seq);
  return {};
}

Status LimiterState::replay_item(const LogEvent& event, const KeyEvent& item, storage::Seq seq) {
  KeyEntry* entry = keys.find(item.id);
  if (entry == nullptr) return contradiction("names a key that no record before it configures", seq);
  if (seq <= entry->last_seq) return {};
  switch (event.type) {
    case EventType::kAllowed:
      if (!algorithm::restore(entry->state, item.after, entry->limit, item.cost, event.at.time)) {
        return contradiction("leaves a key in a state that its limit does not allow", seq);
      }
      entry->counters.add_allowed(item.cost, event.at.wall);
      break;
    case EventType::kReset:
      entry->state = algorithm::fresh(entry->limit, event.at.time);
      entry->counters.last_reset_at = event.at.wall;
      break;
    case EventType::kDenied:
    case EventType::kConfigured:
    case EventType::kTime:
    case EventType::kClock:
      break;
  }
  entry->pending = item.denials;
  entry->note_record(seq);
  return {};
}

void LimiterState::begin_snapshot() {
  cursor_ = {.time = time, .next = 0, .end = keys.next_id(), .started = false, .copied = {}};
}

bool LimiterState::add_next_key(EntryBuffer& piece) {
  const KeyEntry& entry = *keys.find(cursor_.next);
  const auto* log = std::get_if<algorithm::SlidingLog>(&entry.state);
  if (log == nullptr || log->size() <= kRunsEncodedAtOnce) {
    // A reset, or a change of its limit, may have left few of many.
    cursor_.copied = {};
    piece.add_key(entry);
    return true;
  }
  if (!log->copy_more(cursor_.copied, kRunsCopiedAtOnce)) return false;
  piece.add_key_alone(entry);
  return true;
}

bool LimiterState::next_entries(const std::function<void(std::span<const std::byte>)>& emit) {
  EntryBuffer piece;
  if (!cursor_.started) piece.add_time(cursor_.time);
  cursor_.started = true;
  bool ends_with_copied = false;
  {
    base::MutexLock lock(mutex_);
    for (KeyId n = 0; n < kKeysAtOnce && cursor_.next < cursor_.end && piece.bytes() < kBytesAtOnce; ++n) {
      if (ends_with_copied || !add_next_key(piece)) break;
      ++cursor_.next;
      ends_with_copied = !cursor_.copied.empty();
    }
  }
  if (ends_with_copied) piece.add_runs(cursor_.next - 1, std::exchange(cursor_.copied, {}));
  piece.for_each(emit);
  return cursor_.next < cursor_.end;
}

}  // namespace flint::limiter
