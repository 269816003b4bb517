#include "algorithm/token_bucket.h"

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

TokenBucket TokenBucket::refilled(const Limit& limit, Time now) const noexcept {
  if (now <= updated_at) return *this;
  const std::uint64_t per = ticks(limit.per);
  static_assert(kMaxUnits <= Units{1} << 40, "2^64 ns times a rate of 2^40, plus a fraction, is far from 2^128");
  const Uint128 refill = base::multiply(base::elapsed(updated_at, now), limit.rate) + fraction;
  if (refill >= base::multiply(used, per)) return fresh(now);
  const auto whole = static_cast<Units>(base::div_floor(refill, per));
  return {now, used - whole, static_cast<std::uint64_t>(refill - base::multiply(whole, per))};
}

Verdict TokenBucket::decide(const Limit& limit, Units cost, Time now) const noexcept {
  FLINT_ASSERT(cost >= 1 && cost <= limit.capacity());
  TokenBucket bucket = refilled(limit, now);
  const bool allowed = cost <= tokens(bucket, limit);
  const Nanos retry_after = allowed ? Nanos::zero() : time_until(bucket, limit, limit.capacity() - cost);
  if (allowed) bucket.used += cost;
  return {allowed, tokens(bucket, limit), time_until(bucket, limit, 0), retry_after};
}

void TokenBucket::consume(const Limit& limit, Units cost, Time now) noexcept {
  *this = refilled(limit, now);
  FLINT_ASSERT(cost >= 1 && cost <= tokens(*this, limit));
  used += cost;
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

bool TokenBucket::is_valid(const Limit& limit) const noexcept {
  return used <= kMaxUnits && fraction < ticks(limit.per) && (used > 0 || fraction == 0);
}

}  // namespace flint::algorithm
