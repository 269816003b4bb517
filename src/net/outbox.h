#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace flint::net {

/// The answers of one connection, in the order of their requests, on their way to the socket. An answer that may not be
/// told yet has a *place*, which is filled later; places may be filled in any order. Everything after an unfilled place
/// waits for it. Why an answer comes later (a sync, another machine) makes no difference here.
///
/// `Note` is what the owner needs to know when a place is filled.
template <typename Note>
class Outbox {
 public:
  /// Counts the places of one connection.
  using Place = std::uint64_t;

  /// The string to append the next answer to, after everything appended or reserved before.
  [[nodiscard]] std::string& tail() { return places_.empty() ? ready_ : places_.back().behind; }

  /// Reserves a place for the next answer.
  Place reserve(Note note) {
    FLINT_ASSERT(!dropped_);
    if (!places_.empty()) settled_ += places_.back().behind.size();
    places_.push_back({.note = std::move(note), .answer = {}, .behind = {}, .is_filled = false});
    return next() - 1;
  }
  /// The place that reserve() will return next.
  [[nodiscard]] Place next() const { return first_ + places_.size(); }
  /// The note of the first unfilled place, and that place; null if there is none.
  [[nodiscard]] const Note* oldest() const { return places_.empty() ? nullptr : &places_.front().note; }
  [[nodiscard]] Place oldest_place() const { return first_; }
  /// The note of a place; null if the place was filled or dropped, so that its answer is no longer needed.
  [[nodiscard]] const Note* find(Place place) const {
    if (place < first_ || place - first_ >= places_.size() || places_[place - first_].is_filled) return nullptr;
    return &places_[place - first_].note;
  }
  /// Whether nothing was appended or reserved after a place that find() finds.
  [[nodiscard]] bool is_last(Place place) const { return place + 1 == next() && places_.back().behind.empty(); }
  /// Fills a place that find() finds: `write(out)` appends its answer.
  template <typename Write>
  void fill(Place place, const Write& write) {
    Reserved& reserved = places_[place - first_];
    reserved.is_filled = true;
    if (place != first_) {
      write(reserved.answer);
      settled_ += reserved.answer.size();
      return;
    }
    // The usual case, without an intermediate string: everything before the first place is in ready_.
    write(ready_);
    release();
  }
  /// Drops everything after a place that find() finds. No place may be reserved afterwards.
  void drop_behind(Place place) {
    dropped_ = true;
    places_.erase(places_.begin() + static_cast<std::ptrdiff_t>(place - first_ + 1), places_.end());
    places_.back().behind.clear();
    settled_ = 0;
    for (const Reserved& reserved : places_) settled_ += reserved.answer.size() + reserved.behind.size();
  }

  /// The bytes that may be sent now. Valid until the next change.
  [[nodiscard]] std::string_view sendable() const { return std::string_view(ready_).substr(sent_); }
  /// The first `count` bytes of sendable() were sent.
  void sent(std::size_t count) {
    sent_ += count;
    const bool all = sent_ == ready_.size();
    if (!all && sent_ < kCutAt) return;
    ready_.erase(0, sent_);
    sent_ = 0;
    if (all && ready_.capacity() > kKeptCapacity) ready_ = std::string();
  }

  /// The number of bytes that were not sent. A missing answer counts like a usual one, so that a bound on the size also
  /// bounds the number of places.
  [[nodiscard]] std::size_t size() const {
    if (places_.empty()) return ready_.size() - sent_;
    return ready_.size() - sent_ + settled_ + places_.back().behind.size() + places_.size() * kUsualAnswer;
  }
  /// Whether every answer has come and was sent.
  [[nodiscard]] bool empty() const { return places_.empty() && ready_.size() == sent_; }

 private:
  /// An idle connection keeps no more than this.
  static constexpr std::size_t kKeptCapacity = 16 * 1024;
  /// Sent bytes are removed from the front once there are this many: rarely, because the rest must be moved.
  static constexpr std::size_t kCutAt = 32 * 1024;
  static constexpr std::size_t kUsualAnswer = 512;

  struct Reserved {
    Note note;
    std::string answer;
    /// What was appended between this place and the next.
    std::string behind;
    bool is_filled;
  };

  /// Moves everything that no longer waits for a place to ready_.
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

  /// Everything before the first place.
  std::string ready_;
  /// How many bytes of it were sent.
  std::size_t sent_ = 0;
  std::deque<Reserved> places_;
  /// The number of places_[0].
  Place first_ = 0;
  /// The number of bytes in places_, except those after the last place, which still grow.
  std::size_t settled_ = 0;
  bool dropped_ = false;
};

}  // namespace flint::net
