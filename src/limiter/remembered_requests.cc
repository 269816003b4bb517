#include "limiter/remembered_requests.h"

#include <algorithm>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>

#include "base/assert.h"

namespace flint::limiter {
namespace {

// More than come: those that are too old become fewer.
constexpr std::size_t kForgottenAtOnce = 8;

// The flags of a verdict: the algorithm in the lowest bits.
constexpr unsigned kAlgorithmBits = 4;
constexpr unsigned kKeysFull = 1U << kAlgorithmBits;
constexpr unsigned kIsShadow = 2U << kAlgorithmBits;
constexpr unsigned kWouldDeny = 4U << kAlgorithmBits;
constexpr unsigned kExceeds = 8U << kAlgorithmBits;

void write_digest(base::Writer& out, const Digest& digest) noexcept {
  for (const std::byte byte : digest) out.fixed(std::to_integer<std::uint8_t>(byte));
}

void read_digest(base::Reader& in, Digest& digest) noexcept {
  for (std::byte& byte : digest) byte = std::byte{in.fixed<std::uint8_t>()};
}

unsigned flags_of(const RememberedVerdict& verdict) noexcept {
  return static_cast<unsigned>(verdict.algorithm) | (verdict.keys_full ? kKeysFull : 0) |
         (verdict.would_deny ? kIsShadow : 0) | (verdict.would_deny.value_or(false) ? kWouldDeny : 0) |
         (verdict.exceeds ? kExceeds : 0);
}

}  // namespace

Digest digest_of(std::string_view text) {
  // Any fixed one: a digest is compared with those of this directory alone.
  static constexpr boost::uuids::uuid kNames = {{'f', 'l', 'i', 'n', 't', ' ', 'r', 'e', 'q', 'u', 'e', 's', 't', 's'}};
  const boost::uuids::uuid name = boost::uuids::name_generator_sha1(kNames)(text.data(), text.size());
  Digest digest;
  std::transform(name.begin(), name.end(), digest.begin(), [](std::uint8_t byte) { return std::byte{byte}; });
  return digest;
}

const RememberedRequest* RememberedRequests::find(const Digest& id, Time now) const noexcept {
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || now - (*found)->at.time >= kRequestsRememberedFor) return nullptr;
  return *found;
}

void RememberedRequests::remember(RememberedRequest request) {
  FLINT_ASSERT(request.seq > last_seq() && find(request.id, request.at.time) == nullptr);
  forget_old(request.at.time, kForgottenAtOnce);
  if (requests_.size() == most_) {
    drop_oldest();
    ++dropped_;
  }
  by_id_.erase(request.id);
  requests_.push_back(std::move(request));
  by_id_.insert(&requests_.back());
}

void RememberedRequests::forget_old(Time now, std::size_t most) noexcept {
  for (; most > 0 && !requests_.empty() && now - requests_.front().at.time >= kRequestsRememberedFor; --most) {
    drop_oldest();
  }
}

void RememberedRequests::clear() noexcept {
  by_id_.clear();
  requests_.clear();
  dropped_ = 0;
}

std::deque<RememberedRequest>::const_iterator RememberedRequests::after(storage::Seq seq) const noexcept {
  return std::upper_bound(requests_.begin(), requests_.end(), seq,
                          [](storage::Seq than, const RememberedRequest& request) { return than < request.seq; });
}

void RememberedRequests::drop_oldest() noexcept {
  const auto newest = by_id_.find(requests_.front().id);
  if (newest != by_id_.end() && *newest == &requests_.front()) by_id_.erase(newest);
  requests_.pop_front();
}

void write_verdict(base::Writer& out, const RememberedVerdict& verdict) noexcept {
  out.varint(verdict.capacity);
  out.varint(verdict.remaining);
  out.varint(static_cast<std::uint64_t>(verdict.reset_after.count()));
  out.fixed(static_cast<std::uint8_t>(flags_of(verdict)));
}

bool read_verdict(base::Reader& in, RememberedVerdict& verdict) {
  verdict.capacity = in.varint();
  verdict.remaining = in.varint();
  const std::uint64_t reset_after = in.varint();
  const unsigned flags = in.fixed<std::uint8_t>();
  verdict.reset_after = Nanos(static_cast<std::int64_t>(reset_after));
  verdict.algorithm = static_cast<Algorithm>(flags & (kKeysFull - 1));
  verdict.keys_full = (flags & kKeysFull) != 0;
  verdict.exceeds = (flags & kExceeds) != 0;
  if ((flags & kIsShadow) != 0) verdict.would_deny = (flags & kWouldDeny) != 0;
  const bool is_known = verdict.algorithm == Algorithm::kConcurrency ||
                        std::find(kAlgorithms.begin(), kAlgorithms.end(), verdict.algorithm) != kAlgorithms.end();
  return in.ok() && is_known && reset_after <= static_cast<std::uint64_t>(Nanos::max().count()) &&
         verdict.capacity >= 1 && verdict.capacity <= kMaxUnits && verdict.remaining <= verdict.capacity &&
         flags == flags_of(verdict);
}

void write_request(base::Writer& out, const RememberedRequest& request) noexcept {
  write_digest(out, request.id);
  write_digest(out, request.request);
  out.varint(request.verdicts.size());
  for (const RememberedVerdict& verdict : request.verdicts) write_verdict(out, verdict);
}

bool read_request(base::Reader& in, RememberedRequest& request) {
  read_digest(in, request.id);
  read_digest(in, request.request);
  const std::uint64_t verdicts = in.varint();
  if (!in.ok() || verdicts < 1 || verdicts > kMaxCheckAllItems) return false;
  request.verdicts.clear();
  for (std::uint64_t i = 0; i < verdicts; ++i) {
    if (!read_verdict(in, request.verdicts.emplace_back())) return false;
  }
  return true;
}

}  // namespace flint::limiter
