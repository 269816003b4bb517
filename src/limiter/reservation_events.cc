#include "limiter/reservation_events.h"

namespace flint::limiter {
namespace {

using std::chrono::milliseconds;

constexpr std::uint8_t kIsHeld = 1;
constexpr std::uint8_t kHasKey = 1;
constexpr std::uint8_t kHasDenials = 2;

void write_item(base::Writer& out, const SettledItem& item, SettledAs as, WallTime wall) noexcept {
  const bool has_key = item.id != Reservation::kNothingHeld;
  const bool has_denials = item.denials.count > 0;
  out.fixed(static_cast<std::uint8_t>((has_key ? kHasKey : 0) | (has_denials ? kHasDenials : 0)));
  if (has_key) out.varint(item.id);
  if (has_denials) write_denials(out, item.denials, wall);
  if (as == SettledAs::kRenewed) return;
  out.varint(item.cost);
  if (!has_key) return;
  write_verdict(out, item.verdict);
  out.varint(item.extra);
  out.varint(item.less);
  write_usages(out, item.usages);
}

bool read_item(base::Reader& in, const Moment& at, SettledAs as, SettledItem& item, algorithm::WindowSpace& space) {
  const auto flags = in.fixed<std::uint8_t>();
  const bool has_key = (flags & kHasKey) != 0;
  if (!in.ok() || flags > (kHasKey | kHasDenials) || (!has_key && flags != 0)) return false;
  if (has_key) {
    const std::uint64_t id = in.varint();
    if (!in.ok() || id >= Reservation::kNothingHeld) return false;
    item.id = static_cast<KeyId>(id);
  }
  if ((flags & kHasDenials) != 0 && !read_denials(in, at, item.denials)) return false;
  if (as == SettledAs::kRenewed) return true;
  item.cost = in.varint();
  if (!in.ok() || item.cost > kMaxUnits) return false;
  if (!has_key) return true;
  if (!read_verdict(in, item.verdict)) return false;
  item.extra = in.varint();
  item.less = in.varint();
  if (!in.ok() || item.extra > kMaxUnits || item.less > kMaxUnits || (item.extra > 0 && item.less > 0)) return false;
  return read_usages(in, item.usages, space);
}

}  // namespace

void write_ttl(base::Writer& out, Nanos ttl) noexcept { out.varint(static_cast<std::uint64_t>(ttl / milliseconds(1))); }

bool read_ttl(base::Reader& in, Nanos& ttl) {
  const std::uint64_t ms = in.varint();
  if (!in.ok() || ms < 1 || ms > static_cast<std::uint64_t>(kMaxReservationTtl / milliseconds(1))) return false;
  ttl = milliseconds(ms);
  return true;
}

void write_reserved(base::Writer& out, const ReservedEvent& event) noexcept {
  out.fixed(static_cast<std::uint8_t>(event.on_expiry));
  out.varint(event.id.number);
  out.fixed(event.id.secret);
  write_ttl(out, event.ttl);
  out.varint(event.keys.size());
  for (const ReservedEvent::Key& key : event.keys) {
    out.text(key.name);
    out.varint(key.cost << 1 | (key.is_held ? kIsHeld : 0));
  }
}

bool read_reserved(base::Reader& in, ReservedEvent& event) {
  const auto on_expiry = in.fixed<std::uint8_t>();
  event.on_expiry = static_cast<OnExpiry>(on_expiry);
  event.id.number = in.varint();
  event.id.secret = in.fixed<std::uint64_t>();
  if (!in.ok() || on_expiry > static_cast<std::uint8_t>(OnExpiry::kReturn) || event.id.number == 0) return false;
  if (!read_ttl(in, event.ttl)) return false;
  const std::uint64_t keys = in.varint();
  if (!in.ok() || keys < 1 || keys > kMaxCheckAllItems) return false;
  for (std::uint64_t i = 0; i < keys; ++i) {
    ReservedEvent::Key& key = event.keys.emplace_back();
    key.name = in.text();
    const std::uint64_t cost = in.varint();
    key.cost = cost >> 1;
    key.is_held = (cost & kIsHeld) != 0;
    if (!in.ok() || !validate_key(key.name).ok() || key.cost < 1 || key.cost > kMaxUnits) return false;
  }
  return true;
}

void write_settled(base::Writer& out, const SettledEvent& event, WallTime wall) noexcept {
  out.fixed(static_cast<std::uint8_t>(event.as));
  out.varint(event.number);
  if (event.as == SettledAs::kRenewed) write_ttl(out, event.ttl);
  for (const SettledItem& item : event.items) write_item(out, item, event.as, wall);
}

bool read_settled(base::Reader& in, const Moment& at, SettledEvent& event, algorithm::WindowSpace& space) {
  const auto as = in.fixed<std::uint8_t>();
  event.as = static_cast<SettledAs>(as);
  event.number = in.varint();
  if (!in.ok() || as > static_cast<std::uint8_t>(SettledAs::kReturned) || event.number == 0) return false;
  if (event.as == SettledAs::kRenewed && !read_ttl(in, event.ttl)) return false;
  do {
    if (event.items.size() == kMaxCheckAllItems) return false;
    if (!read_item(in, at, event.as, event.items.emplace_back(), space)) return false;
  } while (in.left() > 0);
  return in.done();
}

}  // namespace flint::limiter
