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
  if (!load_entry(entry, limits, keys, loaded))
    return {Code::kCorruption,
            "an entry of the snapshot cannot be read, or holds what no limiter writes (a key twice or out of "
            "order, a limit, count or time out of range, runs out of order)"};
  if (const std::size_t count = keys.size(); count > 0) {
    const storage::Seq last_seq = keys.find(static_cast<KeyId>(count - 1))->last_seq;
    if (last_seq > max_seq) {
      return {Code::kCorruption,
              fmt::format("the snapshot ends with record {}, and one of its keys with record {}", max_seq, last_seq)};
    }
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
  if (entry->key.view() != event.key) return contradiction("configures a key under the id of another one", seq);
  if (seq <= entry->last_seq) return {};
  entry->usage.rule = limits.rule(event.limit);
  if (!algorithm::restore(entry->usage.state, item.after, event.limit, 0, event.at.time)) {
    return contradiction("leaves a key in a state that its limit does not allow", seq);
  }
  entry->note_record(seq, item.denials);
  return {};
}

/// A snapshot is written while checks continue, so an entry may be newer than the snapshot's position, from which
/// replay starts. Each key therefore remembers its last record, and a record that is not newer changes nothing of that
/// key: its counters would be added twice. The states alone could be stored again, since a record holds the state after
/// the event.
Status LimiterState::replay_item(const LogEvent& event, const KeyEvent& item, storage::Seq seq) {
  KeyEntry* entry = keys.find(item.id);
  if (entry == nullptr) return contradiction("names a key that no record before it configures", seq);
  if (seq <= entry->last_seq) return {};
  switch (event.type) {
    case EventType::kAllowed:
      if (!algorithm::restore(entry->usage.state, item.after, entry->limit(), item.cost, event.at.time)) {
        return contradiction("leaves a key in a state that its limit does not allow", seq);
      }
      entry->counters.add_allowed(item.cost, event.at.wall);
      break;
    case EventType::kReset:
      entry->usage.state = algorithm::fresh(entry->limit(), event.at.time);
      entry->counters.last_reset_at = event.at.wall;
      break;
    case EventType::kDenied:
    case EventType::kConfigured:
    case EventType::kTime:
    case EventType::kClock:
      break;
  }
  entry->note_record(seq, item.denials);
  return {};
}

void LimiterState::begin_snapshot() {
  cursor_ = {.time = time, .next = 0, .end = static_cast<KeyId>(keys.end_id()), .started = false, .copied = {}};
}

const KeyEntry* LimiterState::next_key() {
  const KeyEntry* entry = keys.next(cursor_.next);
  return entry != nullptr && entry->id < cursor_.end ? entry : nullptr;
}

bool LimiterState::add_key(const KeyEntry& entry, EntryBuffer& piece) {
  const auto* log = std::get_if<algorithm::SlidingLog>(&entry.usage.state);
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

/// One piece of a snapshot. Each piece is one short hold of the mutex, so checks run in between, and the pieces do not
/// show one instant. That is sound because an entry says up to which record it is current, and because the store makes
/// all those records durable before the snapshot counts. Keys that are configured after begin_snapshot() are left out:
/// the records that replay starts with bring them. What takes long, encoding the runs of a long sliding log and handing
/// the bytes out, is done without the mutex.
bool LimiterState::next_entries(const std::function<void(std::span<const std::byte>)>& emit) {
  EntryBuffer piece;
  if (!cursor_.started) piece.add_time(cursor_.time);
  cursor_.started = true;
  bool ends_with_copied = false;
  bool more = false;
  {
    base::MutexLock lock(mutex_);
    for (KeyId n = 0; n < kKeysAtOnce && piece.bytes() < kBytesAtOnce && !ends_with_copied; ++n) {
      const KeyEntry* entry = next_key();
      if (entry == nullptr || !add_key(*entry, piece)) break;
      cursor_.next = entry->id + 1;
      ends_with_copied = !cursor_.copied.empty();
    }
    more = next_key() != nullptr;
  }
  if (ends_with_copied) piece.add_runs(cursor_.next - 1, std::exchange(cursor_.copied, {}));
  piece.for_each(emit);
  return more;
}

}  // namespace flint::limiter
