#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace flint::net {

/// The answers of one connection, in the order of their requests, on their way to its socket. An answer that cannot be
/// told yet has a *place*, which is filled later; places may be filled in any order. What is behind a place that is not
/// filled waits for it. Why an answer comes later (a sync, another machine) makes no difference here.
///
/// `Note` is what the owner wants to know again when a place is filled.
template <typename Note>
class Outbox {
 public:
  /// Counts the places of one connection.
  using Place = std::uint64_t;

  /// To append an answer to, behind all that was appended or reserved before.
  [[nodiscard]] std::string& tail() { return places_.empty() ? ready_ : places_.back().behind; }

  /// A place for the next answer.
  Place reserve(Note note) {
    FLINT_ASSERT(!dropped_);
    if (!places_.empty()) settled_ += places_.back().behind.size();
    places_.push_back({.note = std::move(note), .answer = {}, .behind = {}, .is_filled = false});
    return next() - 1;
  }
  /// The place that reserve() returns next.
  [[nodiscard]] Place next() const { return first_ + places_.size(); }
  /// What was noted of the first place that is not filled, and that place; null when no answer is awaited.
  [[nodiscard]] const Note* oldest() const { return places_.empty() ? nullptr : &places_.front().note; }
  [[nodiscard]] Place oldest_place() const { return first_; }
  /// Null when the place was filled or dropped: its answer is of no use to anybody.
  [[nodiscard]] const Note* find(Place place) const {
    if (place < first_ || place - first_ >= places_.size() || places_[place - first_].is_filled) return nullptr;
    return &places_[place - first_].note;
  }
  /// `write(out)` appends the answer of a place that find() has.
  template <typename Write>
  void fill(Place place, const Write& write) {
    Reserved& reserved = places_[place - first_];
    reserved.is_filled = true;
    if (place != first_) {
      write(reserved.answer);
      settled_ += reserved.answer.size();
      return;
    }
    // The usual case, without a string in between: all that is before the first place is in ready_.
    write(ready_);
    release();
  }
  /// Forgets what is behind a place that find() has, and the places there. No place is reserved afterwards.
  void drop_behind(Place place) {
    dropped_ = true;
    places_.erase(places_.begin() + static_cast<std::ptrdiff_t>(place - first_ + 1), places_.end());
    places_.back().behind.clear();
    settled_ = 0;
    for (const Reserved& reserved : places_) settled_ += reserved.answer.size() + reserved.behind.size();
  }

  /// What may leave now. Valid until the next change.
  [[nodiscard]] std::string_view sendable() const { return std::string_view(ready_).substr(sent_); }
  /// The first `count` bytes of sendable() have left.
  void sent(std::size_t count) {
    sent_ += count;
    const bool all = sent_ == ready_.size();
    if (!all && sent_ < kCutAt) return;
    ready_.erase(0, sent_);
    sent_ = 0;
    if (all && ready_.capacity() > kKeptCapacity) ready_ = std::string();
  }

  /// Bytes that have not left. An answer that is not there yet counts like a usual one, so that who bounds the size
  /// bounds the places as well.
  [[nodiscard]] std::size_t size() const {
    if (places_.empty()) return ready_.size() - sent_;
    return ready_.size() - sent_ + settled_ + places_.back().behind.size() + places_.size() * kUsualAnswer;
  }
  /// Every answer was there and has left.
  [[nodiscard]] bool empty() const { return places_.empty() && ready_.size() == sent_; }

 private:
  /// An idle connection keeps no more than this.
  static constexpr std::size_t kKeptCapacity = 16 * 1024;
  /// What was sent is cut off the front when it is at least this much: rarely, because the rest is moved.
  static constexpr std::size_t kCutAt = 32 * 1024;
  static constexpr std::size_t kUsualAnswer = 512;

  struct Reserved {
    Note note;
    std::string answer;
    /// What was appended between this place and the next.
    std::string behind;
    bool is_filled;
  };

  /// Moves what waits for no place any more to ready_.
  void release() {
    while (!places_.empty() && places_.front().is_filled) {
      const Reserved& front = places_.front();
      settled_ -= front.answer.size() + (places_.size() > 1 ? front.behind.size() : 0);
      ready_ += front.answer;
      ready_ += front.behind;
      places_.pop_front();
      ++first_;
    }
  }

  /// What is before the first place.
  std::string ready_;
  /// How many of those have left.
  std::size_t sent_ = 0;
  std::deque<Reserved> places_;
  /// The number of places_[0].
  Place first_ = 0;
  /// Bytes in places_, but for what is behind the last, which still grows.
  std::size_t settled_ = 0;
  bool dropped_ = false;
};

}  // namespace flint::net
