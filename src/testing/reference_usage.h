#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "limiter/engine.h"
#include "testing/reference_windows.h"

/// What should be in use under one rule, and what a decision by it should say.
namespace flint::testing::reference {

inline std::uint64_t ms(Nanos time) {
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}

/// Each window of a limit that has several.
inline std::vector<WindowStatus> windows(const Limit& limit, const std::vector<algorithm::Verdict>& verdicts,
                                         const limiter::Moment& at) {
  std::vector<WindowStatus> windows;
  for (std::size_t i = 0; limit.window_count() > 1 && i < limit.window_count(); ++i) {
    windows.push_back({.limit = limit.window(i),
                       .remaining = verdicts[i].remaining,
                       .reset_at = limiter::shown_reset(at, verdicts[i].reset_after),
                       .reset_after_ms = ms(verdicts[i].reset_after),
                       .retry_after_ms = ms(verdicts[i].retry_after)});
    windows.back().limit.further.clear();
  }
  return windows;
}

inline std::shared_ptr<const DecisionDetails> details(const Limit& limit,
                                                      const std::vector<algorithm::Verdict>& verdicts,
                                                      const limiter::Moment& at) {
  if (limit.window_count() == 1) return nullptr;
  return std::make_shared<const DecisionDetails>(DecisionDetails{.windows = windows(limit, verdicts, at)});
}

/// That of the pattern with this number, or of a limit (0).
struct Usage {
  Limit limit;
  std::uint64_t pattern = 0;
  LimitModel model;

  [[nodiscard]] Decision decide(const std::string& key, Mode mode, Units cost, const limiter::Moment& at) const {
    const bool could_fit = mode != Mode::kBlock && cost <= limit.lowest_capacity();
    const auto verdicts =
        could_fit ? model.decide_each(cost, limiter::present(at)) : model.view_each(limiter::present(at));
    const auto allows = [](const algorithm::Verdict& each) { return each.allowed; };
    const bool fits = could_fit && std::all_of(verdicts.begin(), verdicts.end(), allows);
    Decision decision = shown(key, cost, verdicts, at);
    decision.allowed = fits || mode == Mode::kShadow;
    if (mode == Mode::kShadow) decision.retry_after_ms = 0;
    if (mode == Mode::kShadow) decision.would_deny = !fits;
    if (mode == Mode::kBlock) decision.retry_after_ms = std::nullopt;
    return decision;
  }
  /// Nothing was consumed after all.
  void show_left(Decision& decision, const limiter::Moment& at) const {
    const std::optional<bool> would_deny = decision.would_deny;
    decision = shown(decision.key, decision.cost, model.view_each(limiter::present(at)), at);
    decision.would_deny = would_deny;
  }

 private:
  [[nodiscard]] Decision shown(const std::string& key, Units cost, const std::vector<algorithm::Verdict>& verdicts,
                               const limiter::Moment& at) const {
    const std::size_t window = LimitModel::shown(verdicts);
    const algorithm::Verdict& verdict = verdicts[window];
    return {.key = key,
            .allowed = verdict.allowed,
            .cost = cost,
            .capacity = limit.window(window).capacity(),
            .remaining = verdict.remaining,
            .reset_at = limiter::shown_reset(at, verdict.reset_after),
            .reset_after_ms = ms(verdict.reset_after),
            .retry_after_ms = ms(verdict.retry_after),
            .algorithm = limit.window(window).algorithm,
            .keys_full = false,
            .details = details(limit, verdicts, at)};
  }
};

}  // namespace flint::testing::reference
