#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>

#include "base/coding.h"
#include "flint/decision.h"
#include "limiter/moment.h"
#include "storage/record.h"

/// Requests that came with an id and were charged: a repeat is not charged again, and gets the first verdict.
namespace flint::limiter {

/// Stands for a text. 122 bits of SHA-1: clients choose the texts, and must not find two with one digest.
using Digest = std::array<std::byte, 16>;
[[nodiscard]] Digest digest_of(std::string_view text);

inline constexpr Nanos kRequestsRememberedFor = std::chrono::minutes(10);
inline constexpr std::size_t kMaxRememberedRequests = 1'000'000;

/// What a repeat is told of one item.
struct RememberedVerdict {
  Units capacity = 0;
  Units remaining = 0;
  Nanos reset_after{};
  Algorithm algorithm = Algorithm::kTokenBucket;
  bool keys_full = false;
  std::optional<bool> would_deny = std::nullopt;
  /// It did not fit, and was charged all the same.
  bool exceeds = false;

  friend bool operator==(const RememberedVerdict&, const RememberedVerdict&) = default;
};

struct RememberedRequest {
  Digest id{};
  /// Of everything that was asked.
  Digest request{};
  /// The record that charged it.
  storage::Seq seq = 0;
  Moment at{};
  /// In the order of the items.
  boost::container::small_vector<RememberedVerdict, 1> verdicts = {};
  /// The number of the reservation that it made; 0 if it made none.
  std::uint64_t reservation = 0;
};

/// The requests of the last ten minutes, at most so many: the oldest one goes first. Threads: guarded by the owner's
/// mutex.
class RememberedRequests {
 public:
  explicit RememberedRequests(std::size_t most = kMaxRememberedRequests) : most_(most) {}

  /// Null if it is not remembered at `now`.
  [[nodiscard]] const RememberedRequest* find(const Digest& id, Time now) const noexcept;
  /// Its record is newer than all that is remembered, and its id is not remembered at its time.
  void remember(RememberedRequest request);
  /// Lets go of at most `most` of those that are too old: a crowd of them goes some at a time. remember() does it too.
  void forget_old(Time now, std::size_t most) noexcept;
  void clear() noexcept;

  /// Those that are too old, but not let go of yet, included.
  [[nodiscard]] std::size_t size() const noexcept { return requests_.size(); }
  /// How many went before their time, to make room.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
  /// Of the newest record; 0 if there is none.
  [[nodiscard]] storage::Seq last_seq() const noexcept { return requests_.empty() ? 0 : requests_.back().seq; }
  /// Not after the time of the next one.
  [[nodiscard]] Time last_time() const noexcept { return requests_.empty() ? Time{} : requests_.back().at.time; }
  /// At the time of the newest one.
  [[nodiscard]] bool is_too_old(const RememberedRequest& request) const noexcept {
    return last_time() - request.at.time >= kRequestsRememberedFor;
  }
  /// Calls `visit` with at most `most` of them, from the first one whose record is after `seq` on.
  template <typename Visit>
  void for_each_after(storage::Seq seq, std::size_t most, const Visit& visit) const {
    for (auto next = after(seq); next != requests_.end() && most > 0; ++next, --most) visit(*next);
  }

 private:
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    // A digest is as good as random.
    std::size_t operator()(const Digest& id) const noexcept { return base::load_fixed<std::uint64_t>(id.data()); }
    std::size_t operator()(const RememberedRequest* request) const noexcept { return (*this)(request->id); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const RememberedRequest* a, const RememberedRequest* b) const noexcept { return a->id == b->id; }
    bool operator()(const Digest& a, const RememberedRequest* b) const noexcept { return a == b->id; }
    bool operator()(const RememberedRequest* a, const Digest& b) const noexcept { return a->id == b; }
  };

  [[nodiscard]] std::deque<RememberedRequest>::const_iterator after(storage::Seq seq) const noexcept;
  void drop_oldest() noexcept;

  std::size_t most_;
  /// In the order of their records, and so of their times. None moves before it goes.
  std::deque<RememberedRequest> requests_;
  /// The newest one of each id.
  boost::unordered_flat_set<const RememberedRequest*, Hash, Equal> by_id_;
  std::uint64_t dropped_ = 0;
};

/// As records and snapshots hold them, without sequence number and time; see docs/log_format.md.
inline constexpr std::size_t kMaxVerdictBytes = 3 * 10 + 1;
[[nodiscard]] constexpr std::size_t most_request_bytes(std::size_t items) noexcept {
  return 2 * sizeof(Digest) + 10 + items * kMaxVerdictBytes;
}
void write_verdict(base::Writer& out, const RememberedVerdict& verdict) noexcept;
[[nodiscard]] bool read_verdict(base::Reader& in, RememberedVerdict& verdict);
void write_request(base::Writer& out, const RememberedRequest& request) noexcept;
/// False for what no limiter writes.
[[nodiscard]] bool read_request(base::Reader& in, RememberedRequest& request);

}  // namespace flint::limiter
