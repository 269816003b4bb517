#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "limiter/event_codec.h"
#include "limiter/limiter_state.h"
#include "limiter/snapshot_codec.h"

/// Bytes as a snapshot and a log: refused or applied, never a crash; what is accepted is exactly what is written; and a
/// snapshot of what was applied loads as the same state.
///
/// The input is a row of pieces: one byte of kind (0 an entry of a snapshot, else a record), two of length, the bytes.
namespace {

using namespace flint::limiter;
using Bytes = std::vector<std::byte>;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void add_item(EventWriter& writer, const LogEvent& event, const KeyEvent& item) {
  switch (event.type) {
    case EventType::kConfigured:
      return writer.configured(item, event.key, event.limit, event.mode);
    case EventType::kModeChanged:
      return writer.mode_changed(item, event.limit, event.mode);
    case EventType::kAllowed:
      return writer.allowed(item);
    case EventType::kReset:
      return writer.reset(item);
    case EventType::kDenied:
    case EventType::kWouldDeny:
      return writer.denied(item);
    case EventType::kClock:
    case EventType::kTime:
    case EventType::kAllowedByRules:
    case EventType::kForgotten:
    case EventType::kPattern:
    case EventType::kCharged:
    case EventType::kReserved:
    case EventType::kSettled:
    case EventType::kExpired:
    case EventType::kAllowedOnce:
    case EventType::kAllowedByRulesOnce:
      return;
  }
}

void require_one_encoding(const flint::storage::Record& record) {
  LogEvent event;
  if (!decode_event(record, event)) return;
  EventWriter writer = event.part ? EventWriter(event.type, event.at, *event.part)
                                  : EventWriter(event.type, event.at, record.payload.size());
  if (event.type == EventType::kClock) writer.clock(event.boot);
  const bool may_have_request = event.type == EventType::kCharged || event.type == EventType::kReserved;
  if (may_have_request) writer.maybe_once(event.request ? &*event.request : nullptr);
  if (event.request && !may_have_request) writer.once(*event.request);
  if (event.reserved) writer.reserved(*event.reserved);
  if (event.settled) writer.settled(*event.settled);
  for (const KeyEvent& item : event.items) add_item(writer, event, item);
  for (const RuledItem& item : event.ruled) writer.allowed_by_rules(item);
  for (const ForgottenKey& key : event.forgotten) writer.forgotten(key);
  if (event.type == EventType::kPattern) writer.pattern(event.pattern);
  const auto again = writer.written();
  require(std::equal(again.begin(), again.end(), record.payload.begin(), record.payload.end()),
          "an event that decodes does not encode to its bytes");
}

/// All that a snapshot of `state` says, one entry behind the other.
std::vector<Bytes> snapshot(LimiterState& state) {
  std::vector<Bytes> entries;
  state.begin_snapshot();
  while (
      state.next_entries([&](std::span<const std::byte> entry) { entries.emplace_back(entry.begin(), entry.end()); })) {
  }
  return entries;
}

void require_snapshot_comes_back(LimiterState& state) {
  const std::vector<Bytes> entries = snapshot(state);
  flint::base::Mutex mutex;
  LimiterState loaded(mutex, [] { return flint::Status(); });
  for (const Bytes& entry : entries)
    require(loaded.load(entry, UINT64_MAX).ok(), "an entry that was written does not load");
  require(snapshot(loaded) == entries, "a snapshot loads as another state");
}

void require_keys_work(LimiterState& state) {
  for (KeyEntry* entry = state.keys.next(0); entry != nullptr; entry = state.keys.next(entry->id + 1)) {
    if (entry->kind == KeyKind::kPattern) continue;
    entry->follow_patterns();
    flint::algorithm::WindowSpace space;
    entry->for_each_usage([&](const Usage& usage) {
      const auto view = flint::algorithm::view(usage.state, usage.limit(), state.time.last);
      require(view.remaining <= usage.limit().lowest_capacity(), "more remains than there is");
      static_cast<void>(flint::algorithm::decide(usage.state, usage.limit(), 1, state.time.last, space));
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::byte> rest = std::as_bytes(std::span(data, size));
  flint::base::Mutex mutex;
  LimiterState state(mutex, [] { return flint::Status(); });
  flint::storage::Seq seq = 0;
  bool sound = true;
  while (sound && rest.size() >= 3) {
    const auto kind = std::to_integer<std::uint8_t>(rest[0]);
    const std::size_t length = std::min<std::size_t>(flint::base::load_fixed<std::uint16_t>(&rest[1]), rest.size() - 3);
    // A copy of its own size, so that the sanitizer sees a read beyond it.
    const Bytes piece(rest.begin() + 3, rest.begin() + 3 + static_cast<std::ptrdiff_t>(length));
    rest = rest.subspan(3 + length);
    if (kind == 0) {
      sound = seq == 0 && state.load(piece, UINT64_MAX).ok();
    } else {
      const flint::storage::Record record{.kind = kind, .seq = ++seq, .payload = piece};
      require_one_encoding(record);
      sound = state.replay(record).ok();
    }
  }
  if (!sound) return 0;
  require_keys_work(state);
  require_snapshot_comes_back(state);
  return 0;
}
