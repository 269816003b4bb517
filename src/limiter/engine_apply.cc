#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "limiter/engine.h"

/// Many limits at once: all of them change, or none.
namespace flint::limiter {
namespace {

constexpr std::size_t kNamesAtOnce = 256;

/// What is wrong with one of the limits, with the place of its field.
Status at_index(std::size_t index, const Status& wrong) {
  const std::string path = fmt::format("limits[{}]", index);
  if (wrong.field().empty()) return {wrong.code(), fmt::format("{}: {}", path, wrong.message())};
  return wrong.renamed(fmt::format("{}.{}", path, wrong.field()));
}

Status check_limits(std::span<const NamedLimit> limits) {
  if (limits.size() > kMaxLimitsAtOnce) {
    return Status::of_field("limits", fmt::format("must be at most {}, not {}.", kMaxLimitsAtOnce, limits.size()));
  }
  boost::unordered_flat_map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const NamedLimit& limit = limits[i];
    if (Status valid = validate_named_limit(limit); !valid.ok()) return at_index(i, valid);
    if (const auto [first, is_new] = seen.try_emplace(limit.key, i); !is_new) {
      return at_index(
          i, Status::of_field("key", fmt::format("\"{}\" is that of limits[{}], too.", limit.key, first->second)));
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> Engine::names_of_limits() {
  std::vector<std::string> all;
  for (bool inclusive = true;; inclusive = false) {
    std::vector<std::string> some = in_order(false, "", all.empty() ? "" : all.back(), inclusive, kNamesAtOnce);
    if (some.empty()) return all;
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
}

Result<Engine::LimitPlan> Engine::plan(std::span<const NamedLimit> limits, const ApplyOptions& options,
                                       const std::vector<std::string>& others) {
  LimitPlan plan;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const NamedLimit& wanted = limits[i];
    LimitStep step{.entry = state_.keys.find(wanted.key),
                   .from_file = options.from_file,
                   .overrides = is_pattern(wanted.key) && overrides(wanted.options),
                   .mode = wanted.options.mode,
                   .limit = normalized(wanted.limit)};
    step.is_new = step.entry == nullptr;
    LimitChange change{.key = std::string(wanted.key),
                       .before = {},
                       .after = {{step.limit, {.overrides = step.overrides, .mode = step.mode}}}};
    if (step.is_new) {
      if (has_misplaced_star(wanted.key)) return at_index(i, misplaced_star(wanted.key));
    } else {
      const KeyEntry& entry = *step.entry;
      if (is_so(entry, step) && (entry.from_file || !options.from_file)) {
        ++plan.result.unchanged;
        continue;
      }
      const Status changeable = options.from_file ? Status() : check_changeable(entry);
      if (!changeable.ok()) return at_index(i, changeable);
      change.before = setting_of(entry);
    }
    step.change = plan.result.changes.size();
    plan.steps.push_back(std::move(step));
    plan.result.changes.push_back(std::move(change));
  }
  if (options.prune) plan_removals(limits, options, others, plan);
  return plan;
}

void Engine::plan_removals(std::span<const NamedLimit> limits, const ApplyOptions& options,
                           const std::vector<std::string>& others, LimitPlan& plan) {
  boost::unordered_flat_set<std::string_view> kept;
  for (const NamedLimit& limit : limits) kept.insert(limit.key);
  for (const std::string& name : others) {
    KeyEntry* entry = state_.keys.find(name);
    if (entry == nullptr || entry->kind == KeyKind::kBorn || kept.contains(name)) continue;
    if (options.from_file ? !entry->from_file : !check_changeable(*entry).ok()) continue;
    plan.steps.push_back({.entry = entry, .change = plan.result.changes.size(), .removes = true});
    plan.result.changes.push_back({.key = name, .before = setting_of(*entry), .after = {}});
  }
}

std::optional<LimitChange::Setting> Engine::setting_of(const KeyEntry& entry) {
  if (entry.kind == KeyKind::kBorn) return std::nullopt;
  LimitChange::Setting setting{entry.limit(), {.mode = entry.usage.rule.mode()}};
  if (entry.kind == KeyKind::kPattern) setting.options.overrides = entry.usage.rule.overrides();
  return setting;
}

Result<Deferred<LimitChanges>> Engine::apply(std::span<const NamedLimit> limits, const ApplyOptions& options) {
  if (Status open = check_open(); !open.ok()) return open;
  if (Status valid = check_limits(limits); !valid.ok()) return valid;
  const std::vector<std::string> others = options.prune ? names_of_limits() : std::vector<std::string>();

  Deferred<LimitChanges> done;
  {
    base::MutexLock lock(mutex_);
    const Moment at = clock_->now();
    Result<LimitPlan> plan = this->plan(limits, options, others);
    if (!plan.ok()) return plan.status();
    if (!options.dry_run) {
      const Result<Ticket> logged = carry_out(*plan, at);
      if (!logged.ok()) return logged.status();
      done.ticket = *logged;
      has_limits_file_ = has_limits_file_ || options.from_file;
    }
    done.value = std::move(plan->result);
  }
  std::sort(done.value.changes.begin(), done.value.changes.end(),
            [](const LimitChange& a, const LimitChange& b) { return a.key < b.key; });
  return done;
}

/// Everything is decided before the first record is logged, and nothing is applied before the last one is: when one
/// cannot be logged, those before it are a group without an end, and count as little as in a log that a crash cut off.
Result<Ticket> Engine::carry_out(LimitPlan& plan, const Moment& at) {
  const auto is_new = [](const LimitStep& step) { return step.is_new; };
  const auto added = std::count_if(plan.steps.begin(), plan.steps.end(), is_new);
  if (state_.keys.size() + static_cast<std::size_t>(added) > kMaxKeys) {
    return Status(Code::kInvalidArgument, "the data directory has no room for so many keys.");
  }
  // Keys before patterns, and both before deletions. A key that has lived by a pattern keeps what it used up to now
  // under the pattern as it was, also in replay, which applies each record before it reads the next.
  const auto rank = [&plan](const LimitStep& step) {
    const bool is_rule = step.is_new ? is_pattern(plan.result.changes[step.change].key) : step.is_of_pattern();
    return (step.removes ? 2U : 0U) + (is_rule ? 1U : 0U);
  };
  std::stable_sort(plan.steps.begin(), plan.steps.end(),
                   [&](const LimitStep& a, const LimitStep& b) { return rank(a) < rank(b); });
  // In the order of the records, since replay gives ids in that order.
  for (LimitStep& step : plan.steps) {
    if (!step.is_new) continue;
    step.entry = &state_.keys.add(plan.result.changes[step.change].key);
    if (is_pattern(step.entry->key)) state_.keys.set_kind(*step.entry, KeyKind::kPattern);
  }
  for (LimitStep& step : plan.steps) decide(step, at);
  Result<Ticket> done = log_and_apply(plan.steps, at);
  if (done.ok()) return done;
  for (LimitStep& step : plan.steps) {
    if (step.is_new) state_.keys.remove(*step.entry);
  }
  return done;
}

Result<Ticket> Engine::log_and_apply(std::span<LimitStep> steps, const Moment& at) {
  if (steps.empty()) return Ticket{};
  std::vector<storage::Seq> seqs;
  for (const LimitStep& step : steps) {
    const bool begins = seqs.empty();
    EventWriter event(step.type(), at,
                      {.begins = begins, .ends = seqs.size() + 1 == steps.size(), .from_file = step.from_file});
    write(step, at, event);
    // Only the first one may have another record before it: that of the clock would end the group.
    const Result<storage::Seq> seq = begins ? append(event, at) : append_next(event, at);
    if (!seq.ok()) return seq.status();
    seqs.push_back(*seq);
  }
  for (std::size_t i = 0; i < steps.size(); ++i) apply(steps[i], seqs[i], at);
  return ticket(seqs.back(), at);
}

}  // namespace flint::limiter
