#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "algorithm/dispatch.h"
#include "algorithm/verdict.h"
#include "base/coding.h"
#include "flint/limit.h"

/// Limits of several windows, decided and charged as one: all of them allow a cost and count it, or none does. So each
/// window keeps the bound that its algorithm promises.
namespace flint::algorithm {

/// What an outcome says of each window of a limit, in their order.
struct WindowOutcomes {
  /// Where one denies, that of another which would allow the cost says what is left without it.
  std::array<Verdict, kMaxWindows> verdicts;
  RecordedWindows after;
  /// What each is charged: the cost, or less where there is no room for a debt.
  std::array<Units, kMaxWindows> costs{};
  /// The window whose verdict is told in one: of those that denied, the one with the longest wait; else the one with
  /// the least remaining. The first of equals.
  std::uint8_t shown = 0;
};

/// Lends memory to outcomes and recorded states of limits that have several windows. They refer to it, so that those of
/// a limit with one window, which need none, are as small as they can be.
class WindowSpace {
 public:
  /// Stays where it is, and valid until clear().
  [[nodiscard]] WindowOutcomes& add();
  /// Keeps the memory for the next ones.
  void clear() noexcept { used_ = 0; }
  /// How many were added.
  [[nodiscard]] std::size_t size() const noexcept { return used_; }

 private:
  std::vector<std::unique_ptr<WindowOutcomes>> outcomes_;
  std::size_t used_ = 0;
};

/// The states of the windows of a limit that has several, in their order. As small as the state of one window.
struct Windows {
  std::vector<WindowState> states;

  [[nodiscard]] static Windows fresh(const Limit& limit, Time now);

  [[nodiscard]] Outcome decide(const Limit& limit, Units cost, Now now, WindowSpace& space) const;
  /// Each window takes as much of `cost` as it has room for.
  [[nodiscard]] Outcome charged(const Limit& limit, Units cost, Now now, WindowSpace& space) const;
  void consume(const Limit& limit, Now now, const Outcome& allowed);
  [[nodiscard]] const WindowOutcomes& view(const Limit& limit, Now now, WindowSpace& space) const;
  [[nodiscard]] bool is_fresh(const Limit& limit, Now now) const;
  [[nodiscard]] bool is_valid(const Limit& limit) const noexcept;

  [[nodiscard]] RecordedState describe(const Limit& limit, Time now, WindowSpace& space) const;
  /// In a snapshot: the states of the windows, one after the other.
  void encode(base::Writer& out) const;
  [[nodiscard]] bool decode(base::Reader& in, const Limit& limit);
  [[nodiscard]] Time seen(Time now) const noexcept;

  friend bool operator==(const Windows&, const Windows&) = default;
};

}  // namespace flint::algorithm
