#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "flint/limit.h"
#include "flint/time.h"
#include "limiter/rule_tallies.h"
#include "storage/record.h"

/// Which rules there are. A rule is apart from the usage that is counted under it (keys.h): many keys share a rule, and
/// what a key has used outlives a change of its rule.
namespace flint::limiter {

/// A limit by which keys are decided. As small as a pointer; it ends with the last of its copies.
///
/// There are two kinds. That of a *value* is shared by all who have an equal limit in the same mode, set for a key or
/// carried by a check. That of a *pattern* is one version of it: when the pattern is changed, the version that was
/// there knows its successor and since when, so that each of its keys can follow at its next use; when the pattern is
/// deleted, it has ended.
///
/// Threads: guarded by the owner's mutex, as is the Limits that it came from.
class Rule {
 public:
  /// None: only to be assigned to.
  Rule() noexcept = default;
  Rule(const Rule& other) noexcept : shared_(other.shared_) { add_user(); }
  Rule(Rule&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  Rule& operator=(Rule other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~Rule() { remove_user(); }

  [[nodiscard]] bool is_set() const noexcept { return shared_ != nullptr; }
  /// There is one.
  [[nodiscard]] const Limit& limit() const noexcept;

  /// The limit as records hold it: see write_whole_limit().
  [[nodiscard]] std::string_view written() const noexcept;

  /// The number of the record that made this version of a pattern; 0 for the rule of a value.
  [[nodiscard]] storage::Seq version() const noexcept;
  /// Of a pattern: holds for its keys also where a check carries a limit.
  [[nodiscard]] bool overrides() const noexcept;
  void set_overrides(bool overrides) noexcept;
  [[nodiscard]] Mode mode() const noexcept;
  /// Of a version of a pattern; the rule of a value has it from the start.
  void set_mode(Mode mode) noexcept;
  /// Of a version of a pattern: where its decisions are counted; null until that is set.
  [[nodiscard]] RuleTally* tally() const noexcept;
  void set_tally(RuleTally& tally) noexcept;
  /// Of the current version of a pattern, which has one user besides: how many usages are counted under it, and under
  /// the versions before it that have not followed yet.
  [[nodiscard]] std::uint64_t usages() const noexcept;
  /// Neither succeeded nor ended.
  [[nodiscard]] bool is_current() const noexcept;
  [[nodiscard]] bool has_ended() const noexcept;
  /// How the usage of a key goes over to the next version of its pattern.
  struct Succession {
    Time at{};
    WallTime wall{};
    /// It begins anew there: the pattern was reset, not changed.
    bool resets = false;
  };
  void be_succeeded_by(const Rule& next, const Succession& succession) noexcept;
  /// The pattern was deleted.
  void end() noexcept;
  /// There is one: the version is not current and has not ended.
  [[nodiscard]] const Rule& successor() const noexcept;
  [[nodiscard]] const Succession& succession() const noexcept;

  /// The very same rule, not only an equal limit.
  friend bool operator==(const Rule&, const Rule&) noexcept = default;

 private:
  friend class Limits;
  friend class HeldRule;
  struct Shared;
  struct Table;

  explicit Rule(Shared* shared) noexcept : shared_(shared) { add_user(); }
  void add_user() noexcept;
  void remove_user() noexcept;
  /// `shared` has no users any more.
  static void end_shared(Shared* shared) noexcept;

  Shared* shared_ = nullptr;
};

struct Rule::Shared {
  Limit limit;
  /// As each birth of a key writes it.
  std::string written;
  std::uint64_t users = 0;
  /// Of these, those that are no usage of a key: HeldRule.
  std::uint64_t holders = 0;
  /// Kept by its rules too, so that keys and the Limits of their rules may end in any order.
  std::shared_ptr<Table> table;
  storage::Seq version = 0;
  Mode mode = Mode::kEnforce;
  bool overrides = false;
  bool current = true;
  Rule successor = {};
  Succession succession = {};
  /// The version that this one succeeded, while it has users.
  Shared* predecessor = nullptr;
  RuleTally* tally = nullptr;
};

inline const Limit& Rule::limit() const noexcept { return shared_->limit; }
inline std::string_view Rule::written() const noexcept { return shared_->written; }
inline storage::Seq Rule::version() const noexcept { return shared_->version; }
inline bool Rule::overrides() const noexcept { return shared_->overrides; }
inline void Rule::set_overrides(bool overrides) noexcept { shared_->overrides = overrides; }
inline Mode Rule::mode() const noexcept { return shared_->mode; }
inline void Rule::set_mode(Mode mode) noexcept { shared_->mode = mode; }
inline RuleTally* Rule::tally() const noexcept { return shared_->tally; }
inline void Rule::set_tally(RuleTally& tally) noexcept { shared_->tally = &tally; }
inline bool Rule::is_current() const noexcept { return shared_->current; }
inline bool Rule::has_ended() const noexcept { return !shared_->current && !shared_->successor.is_set(); }
inline const Rule& Rule::successor() const noexcept { return shared_->successor; }
inline const Rule::Succession& Rule::succession() const noexcept { return shared_->succession; }
inline void Rule::add_user() noexcept {
  if (shared_ != nullptr) ++shared_->users;
}
inline void Rule::remove_user() noexcept {
  Shared* const shared = std::exchange(shared_, nullptr);
  if (shared != nullptr && --shared->users == 0) [[unlikely]]
    end_shared(shared);
}

/// A rule that something remembers beside the usage that is counted under it.
class HeldRule {
 public:
  HeldRule() noexcept = default;
  HeldRule(const Rule& rule) noexcept : rule_(rule) { count(1); }  // NOLINT(google-explicit-constructor)
  HeldRule(const HeldRule& other) noexcept : HeldRule(other.rule_) {}
  HeldRule(HeldRule&& other) noexcept : rule_(std::move(other.rule_)) {}
  HeldRule& operator=(HeldRule other) noexcept {
    std::swap(rule_, other.rule_);
    return *this;
  }
  ~HeldRule() { count(-1); }

  operator const Rule&() const noexcept { return rule_; }  // NOLINT(google-explicit-constructor)

  friend bool operator==(const HeldRule& a, const HeldRule& b) noexcept { return a.rule_ == b.rule_; }
  friend bool operator==(const HeldRule& a, const Rule& b) noexcept { return a.rule_ == b; }

 private:
  void count(int by) noexcept {
    if (rule_.shared_ != nullptr) rule_.shared_->holders += static_cast<std::uint64_t>(by);
  }

  Rule rule_;
};

/// The rules that are in use, each once: a million keys with one limit hold it once.
class Limits {
 public:
  Limits();

  /// The rule of `limit`, which is valid, in this mode.
  [[nodiscard]] Rule rule(const Limit& limit, Mode mode = Mode::kEnforce);
  /// The version of a pattern that the record `version` made, which may be there already: a snapshot can tell of it
  /// before the log does. None if it is there with another limit, which no limiter writes.
  [[nodiscard]] Rule version(storage::Seq version, const Limit& limit);
  /// None if nobody has that version.
  [[nodiscard]] Rule find_version(storage::Seq version) const;
  /// The time zones of those that go by a calendar, each once.
  [[nodiscard]] std::set<std::string> timezones() const;
  /// How many different ones are in use.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  std::shared_ptr<Rule::Table> table_;
};

}  // namespace flint::limiter
