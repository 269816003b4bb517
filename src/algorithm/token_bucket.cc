#include "algorithm/token_bucket.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace flint::algorithm {
namespace {

using base::Uint128;

[[nodiscard]] std::uint64_t ticks(Nanos per) noexcept { return static_cast<std::uint64_t>(per.count()); }

[[nodiscard]] Units tokens(const TokenBucket& bucket, const Limit& limit) noexcept {
  const Units capacity = limit.capacity();
  return bucket.used < capacity ? capacity - bucket.used : 0;
}

/// From bucket.updated_at until no more than `target` tokens are missing.
[[nodiscard]] Nanos time_until(const TokenBucket& bucket, const Limit& limit, Units target) noexcept {
  if (bucket.used <= target) return Nanos::zero();
  const Uint128 missing = base::multiply(bucket.used - target, ticks(limit.per)) - bucket.fraction;
  return base::saturating_nanos(base::div_ceil(missing, limit.rate));
}

}  // namespace

/// Refilled units are elapsed * rate / per. The product is exact in 128 bits and its remainder is kept in `fraction`,
/// so the sum over many refills is what one refill over all of the time would be: nobody gains or loses by asking
/// often. A full bucket has no fraction, since what would be refilled beyond full is lost.
TokenBucket TokenBucket::refilled(const Limit& limit, Time now) const noexcept {
  if (now <= updated_at) return *this;
  const std::uint64_t per = ticks(limit.per);
  static_assert(kMaxUnits <= Units{1} << 40, "2^64 ns times a rate of 2^40, plus a fraction, is far from 2^128");
  const Uint128 refill = base::multiply(base::elapsed(updated_at, now), limit.rate) + fraction;
  if (refill >= base::multiply(used, per)) return fresh(now);
  const auto whole = static_cast<Units>(base::div_floor(refill, per));
  return {now, used - whole, static_cast<std::uint64_t>(refill - base::multiply(whole, per))};
}

TokenBucket TokenBucket::holding(Run in_use, const Limit&) noexcept { return {in_use.time, in_use.cost, 0}; }

Outcome TokenBucket::decide(const Limit& limit, Units cost, Time now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  TokenBucket bucket = refilled(limit, now);
  const Units left = tokens(bucket, limit);
  if (cost > left) {
    const Nanos retry_after = time_until(bucket, limit, limit.capacity() - cost);
    return {{false, left, time_until(bucket, limit, 0), retry_after}, {}};
  }
  bucket.used += cost;
  return {{true, left - cost, time_until(bucket, limit, 0), Nanos::zero()}, bucket.describe()};
}

Outcome TokenBucket::charged(const Limit& limit, Units cost, Time now) const noexcept {
  TokenBucket bucket = refilled(limit, now);
  bucket.used += cost;
  return {{true, tokens(bucket, limit), time_until(bucket, limit, 0), Nanos::zero()}, bucket.describe()};
}

/// The verdict has the refill already: it is the dearest step of a decision, and is done once.
void TokenBucket::consume(const Limit&, Units, Time now, const Outcome& allowed) noexcept {
  FLINT_ASSERT(allowed.allowed);
  *this = {std::max(now, updated_at), allowed.after.first, allowed.after.second};
}

Amount TokenBucket::exactly_in_use(const Limit& limit, Time now) const noexcept {
  const TokenBucket bucket = refilled(limit, now);
  return base::multiply(bucket.used, ticks(limit.per)) - bucket.fraction;
}

Amount TokenBucket::give_back(const Limit& limit, Amount amount, Time, Time now) noexcept {
  const Amount before = exactly_in_use(limit, now);
  const Amount given = std::min(amount, before);
  const std::uint64_t per = ticks(limit.per);
  updated_at = std::max(now, updated_at);
  used = static_cast<Units>(base::div_ceil(before - given, per));
  fraction = static_cast<std::uint64_t>(base::multiply(used, per) - (before - given));
  return given;
}

View TokenBucket::view(const Limit& limit, Time now) const noexcept {
  const TokenBucket bucket = refilled(limit, now);
  return {tokens(bucket, limit), time_until(bucket, limit, 0)};
}

TokenBucket TokenBucket::reconfigured(const Limit& from, const Limit& to, Time now) const noexcept {
  TokenBucket bucket = refilled(from, now);
  if (bucket.used > to.capacity()) return {bucket.updated_at, to.capacity(), 0};
  const Uint128 scaled = base::div_floor(base::multiply(bucket.fraction, ticks(to.per)), ticks(from.per));
  bucket.fraction = static_cast<std::uint64_t>(scaled);
  return bucket;
}

Run TokenBucket::in_use(const Limit& limit, Time now) const noexcept {
  const TokenBucket current = refilled(limit, now);
  return {current.updated_at, current.used};
}

bool TokenBucket::is_valid(const Limit& limit) const noexcept {
  return used <= kMaxUnits && fraction < ticks(limit.per) && (used > 0 || fraction == 0);
}

RecordedState TokenBucket::describe(const Limit&, Time at) const noexcept {
  FLINT_ASSERT(updated_at == at);
  return describe();
}

bool TokenBucket::restore(const RecordedState& after, const Limit& limit, Units, Time at) noexcept {
  *this = {at, after.first, after.second};
  return is_valid(limit);
}

void TokenBucket::encode(base::Writer& out) const noexcept {
  out.fixed(updated_at.time_since_epoch().count());
  out.varint(used);
  out.varint(fraction);
}

bool TokenBucket::decode(base::Reader& in, const Limit& limit) noexcept {
  updated_at = Time(Nanos(in.fixed<std::int64_t>()));
  used = in.varint();
  fraction = in.varint();
  return in.ok() && is_limiter_time(updated_at) && is_valid(limit);
}

}  // namespace flint::algorithm
