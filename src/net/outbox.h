#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace flint::net {

/// The answers of one connection, in order, on their way to its socket. An answer may be held until the log is durable
/// up to its record; what is behind it waits too, because answers go out in the order of their requests.
class Outbox {
 public:
  /// When the question came; nothing where nobody measures how long the answer takes.
  using AskedAt = std::optional<std::chrono::steady_clock::time_point>;

  /// To append answers to.
  [[nodiscard]] std::string& tail() { return bytes_; }
  /// Where what is appended next begins.
  [[nodiscard]] std::uint64_t end() const { return base_ + bytes_.size(); }
  /// What was appended since end() was `begin` leaves only when `seq` is durable. `asked_at` is for release().
  void hold(std::uint64_t begin, std::uint64_t seq, AskedAt asked_at = {});

  /// Lets go of the answers at the front that `is_durable(seq)`, calling `on_release(asked_at)` for each; returns how
  /// many.
  template <typename IsDurable, typename OnRelease>
  std::size_t release(const IsDurable& is_durable, const OnRelease& on_release) {
    std::size_t count = 0;
    for (; !held_.empty() && is_durable(held_.front().seq); ++count) {
      on_release(held_.front().asked_at);
      held_.pop_front();
    }
    return count;
  }
  /// Forgets the first held answer and all that is behind it; returns how many held ones that were.
  std::size_t drop_held();

  [[nodiscard]] bool has_held() const { return !held_.empty(); }
  [[nodiscard]] std::size_t held_count() const { return held_.size(); }
  /// Once this one is durable, nothing is held any more.
  [[nodiscard]] std::uint64_t last_held() const { return held_.back().seq; }

  /// What may leave now. Valid until the next change.
  [[nodiscard]] std::string_view sendable() const;
  /// The first `count` bytes of sendable() have left.
  void sent(std::size_t count);

  /// Bytes that have not left, held ones included.
  [[nodiscard]] std::size_t size() const { return bytes_.size() - sent_; }
  [[nodiscard]] bool empty() const { return size() == 0; }

 private:
  struct Held {
    std::uint64_t begin;
    std::uint64_t seq;
    AskedAt asked_at;
  };

  std::string bytes_;
  /// How many of bytes_ have left.
  std::size_t sent_ = 0;
  /// The position of bytes_[0] in all that this connection was ever sent.
  std::uint64_t base_ = 0;
  std::deque<Held> held_;
};

}  // namespace flint::net
