#include <array>

#include "base/assert.h"
#include "limiter/reservation_events.h"
#include "limiter/snapshot_codec.h"

/// The entries of a snapshot that tell of reservations.
namespace flint::limiter {
namespace {

using algorithm::Amount;

constexpr std::size_t kHeldInEntry = 24;
constexpr std::size_t kMaxHeldBytes = 10 + 6 + 2 * 8 + 1 + kMaxUsages * kMaxWindows * (1 + 6 + 10);
static_assert(16 + kHeldInEntry * kMaxHeldBytes <= kMaxEntryBytes);

constexpr std::uint8_t kReturnsOnExpiry = 1;
constexpr std::uint8_t kIsReturned = 2;
constexpr std::uint8_t kIsCommitted = 4;
constexpr std::uint8_t kIsCancelled = 8;

void write_time(base::Writer& out, Time time) noexcept { out.fixed(time.time_since_epoch().count()); }
void write_wall(base::Writer& out, WallTime wall) noexcept { out.fixed(wall.time_since_epoch().count()); }

bool read_time(base::Reader& in, Time& time) {
  time = Time(Nanos(in.fixed<std::int64_t>()));
  return in.ok() && time >= Time{};
}

bool read_moment(base::Reader& in, Moment& at) {
  if (!read_time(in, at.time)) return false;
  at.wall = WallTime(Nanos(in.fixed<std::int64_t>()));
  return in.ok() && algorithm::is_limiter_time(at.time) && is_wall_time(at.wall);
}

/// The number of a window of a usage of the key, as entries of runs have it.
std::uint8_t place_of(const KeyEntry& entry, const Held::Part& part) {
  std::size_t place = 0;
  entry.for_each_window([&](const Usage& usage, std::size_t at, std::size_t window) {
    if (usage.rule == part.rule && window == part.window) place = window * kMaxUsages + at;
  });
  return static_cast<std::uint8_t>(place);
}

void write_held(base::Writer& out, const KeyEntry& entry, const Held::Item& item) {
  out.varint(item.number);
  out.varint(item.units << 2 | (item.takes_slots ? 2 : 0) | (item.returns ? 1 : 0));
  write_time(out, item.charged_at);
  write_time(out, item.ends_at);
  out.fixed(static_cast<std::uint8_t>(item.parts.size()));
  for (const Held::Part& part : item.parts) {
    out.fixed(place_of(entry, part));
    const Rule& rule = part.rule;
    const Amount unit = algorithm::amount_of_unit(rule.limit(), part.window);
    out.varint(static_cast<std::uint64_t>(part.amount / unit));
    if (unit > 1) out.varint(static_cast<std::uint64_t>(part.amount % unit));
  }
}

bool read_part(base::Reader& in, const KeyEntry& entry, Held::Item& item) {
  const std::size_t place = in.fixed<std::uint8_t>();
  const std::uint64_t whole = in.varint();
  const std::size_t at = place % kMaxUsages;
  const std::size_t window = place / kMaxUsages;
  if (!in.ok() || at >= entry.usages() || whole > item.units) return false;
  const Usage& usage = entry.usage_at(at);
  if (window >= usage.limit().window_count()) return false;
  const Amount unit = algorithm::amount_of_unit(usage.limit(), window);
  const std::uint64_t rest = unit > 1 ? in.varint() : 0;
  if (!in.ok() || rest >= unit || (whole == item.units && rest > 0)) return false;
  item.parts.push_back({usage.rule, static_cast<std::uint8_t>(window), whole * unit + rest});
  return true;
}

}  // namespace

void EntryBuffer::add_held(const KeyEntry& entry) {
  std::array<std::byte, kMaxEntryBytes> buffer;
  base::Writer out(buffer);
  std::size_t in_entry = 0;
  const auto flush = [&] {
    FLINT_ASSERT(out.ok());
    if (in_entry > 0) add(out.written());
    in_entry = 0;
  };
  entry.held()->for_each([&](const Held::Item& item) {
    if (in_entry == kHeldInEntry) flush();
    if (in_entry++ == 0) {
      out = base::Writer(buffer);
      out.fixed(static_cast<std::uint8_t>(EntryType::kHeld));
      out.varint(entry.id);
    }
    write_held(out, entry, item);
  });
  flush();
}

bool read_held_entry(base::Reader& in, const Loaded& loaded) {
  const std::uint64_t id = in.varint();
  if (!in.ok() || loaded.keys.end_id() == 0 || id != loaded.keys.end_id() - 1) return false;
  KeyEntry* const entry = loaded.keys.find(static_cast<KeyId>(id));
  if (entry == nullptr || entry->kind == KeyKind::kPattern) return false;
  Held& held = entry->make_held();
  do {
    Held::Item item{.number = in.varint()};
    const std::uint64_t units = in.varint();
    item.units = units >> 2;
    item.takes_slots = (units & 2) != 0;
    item.returns = (units & 1) != 0;
    if (!in.ok() || item.number <= held.last_number() || item.units < 1 || item.units > kMaxUnits) return false;
    if (!read_time(in, item.charged_at) || !read_time(in, item.ends_at)) return false;
    const auto parts = in.fixed<std::uint8_t>();
    if (!in.ok() || parts > kMaxUsages * kMaxWindows) return false;
    for (std::uint8_t i = 0; i < parts; ++i) {
      if (!read_part(in, *entry, item)) return false;
    }
    held.add(std::move(item));
  } while (in.left() > 0);
  return in.done();
}

void EntryBuffer::add_reservation(const Reservation& reservation) {
  std::array<std::byte, kMaxReservedKeyBytes + 64 + kMaxVerdictBytes> buffer;
  base::Writer out(buffer);
  out.fixed(static_cast<std::uint8_t>(EntryType::kReservation));
  out.varint(reservation.id.number);
  out.fixed(reservation.id.secret);
  out.varint(reservation.last_seq);
  write_time(out, reservation.reserved_at.time);
  write_wall(out, reservation.reserved_at.wall);
  write_time(out, reservation.expires_at);
  write_wall(out, reservation.expires_at_wall);
  const bool is_committed = reservation.settled == SettledAs::kCommitted;
  const bool is_cancelled = reservation.settled == SettledAs::kCancelled;
  out.fixed(static_cast<std::uint8_t>((reservation.on_expiry == OnExpiry::kReturn ? kReturnsOnExpiry : 0) |
                                      (reservation.is_returned ? kIsReturned : 0) | (is_committed ? kIsCommitted : 0) |
                                      (is_cancelled ? kIsCancelled : 0)));
  if (reservation.settled) {
    write_time(out, reservation.settled_at.time);
    write_wall(out, reservation.settled_at.wall);
  }
  FLINT_ASSERT(out.ok());
  add(out.written());
  for (const Reservation::Item& item : reservation.items) {
    out = base::Writer(buffer);
    out.fixed(static_cast<std::uint8_t>(EntryType::kReservedItem));
    out.varint(reservation.id.number);
    out.text(item.key);
    out.varint(std::uint64_t{item.id} + 1);
    out.varint(item.cost);
    if (reservation.settled) {
      const bool has_verdict = item.verdict.capacity > 0;  // not where its key was gone
      out.varint(item.settled << 1 | (has_verdict ? 1 : 0));
      if (has_verdict) write_verdict(out, item.verdict);
    }
    FLINT_ASSERT(out.ok());
    add(out.written());
  }
}

bool read_reservation_entry(base::Reader& in, const Loaded& loaded) {
  Reservation reservation;
  reservation.id.number = in.varint();
  reservation.id.secret = in.fixed<std::uint64_t>();
  reservation.last_seq = in.varint();
  if (!in.ok() || reservation.id.number < loaded.holds.next_number()) return false;
  if (!read_moment(in, reservation.reserved_at) || !read_time(in, reservation.expires_at)) return false;
  reservation.expires_at_wall = WallTime(Nanos(in.fixed<std::int64_t>()));
  const auto flags = in.fixed<std::uint8_t>();
  if (!in.ok() || flags >= 2 * kIsCancelled ||
      (flags & (kIsCommitted | kIsCancelled)) == (kIsCommitted | kIsCancelled)) {
    return false;
  }
  reservation.on_expiry = (flags & kReturnsOnExpiry) != 0 ? OnExpiry::kReturn : OnExpiry::kKeep;
  reservation.is_returned = (flags & kIsReturned) != 0;
  if ((flags & kIsCommitted) != 0) reservation.settled = SettledAs::kCommitted;
  if ((flags & kIsCancelled) != 0) reservation.settled = SettledAs::kCancelled;
  if (reservation.settled && !read_moment(in, reservation.settled_at)) return false;
  if (!in.done()) return false;
  loaded.time.newest = std::max({loaded.time.newest, reservation.reserved_at.time, reservation.settled_at.time});
  loaded.holds.add(std::move(reservation));
  return true;
}

bool read_reserved_item(base::Reader& in, const Loaded& loaded) {
  const std::uint64_t number = in.varint();
  Reservation* const reservation = in.ok() ? loaded.holds.find(number) : nullptr;
  if (reservation == nullptr || number + 1 != loaded.holds.next_number() ||
      reservation->items.size() == kMaxCheckAllItems) {
    return false;
  }
  Reservation::Item item;
  item.key = in.text();
  const std::uint64_t id = in.varint();
  item.cost = in.varint();
  if (!in.ok() || !validate_key(item.key).ok() || item.cost < 1 || item.cost > kMaxUnits) return false;
  if (id > std::uint64_t{Reservation::kNothingHeld} + 1 || id == 0) return false;
  item.id = static_cast<KeyId>(id - 1);
  if (reservation->settled) {
    const std::uint64_t settled = in.varint();
    item.settled = settled >> 1;
    if (!in.ok() || item.settled > kMaxUnits || ((settled & 1) != 0 && !read_verdict(in, item.verdict))) return false;
  }
  reservation->items.push_back(std::move(item));
  return in.done();
}

}  // namespace flint::limiter
