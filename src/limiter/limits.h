#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "flint/limit.h"

/// Which rules there are. A rule is apart from the usage that is counted under it (keys.h): many keys share a rule, and
/// what a key has used outlives a change of its rule.
namespace flint::limiter {

/// A limit by which keys are decided. Copies, and all that Limits made of equal limits, share one; it ends with the
/// last of them. As small as a pointer. Threads: guarded by the owner's mutex, as is the Limits that it came from.
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

 private:
  friend class Limits;
  struct Shared;
  struct Table;

  explicit Rule(Shared* shared) noexcept : shared_(shared) { add_user(); }
  void add_user() noexcept;
  void remove_user() noexcept;

  Shared* shared_ = nullptr;
};

struct Rule::Shared {
  Limit limit;
  std::uint64_t users = 0;
  /// Kept by its rules too, so that keys and the Limits of their rules may end in any order.
  std::shared_ptr<Table> table;
};

inline const Limit& Rule::limit() const noexcept { return shared_->limit; }
inline void Rule::add_user() noexcept {
  if (shared_ != nullptr) ++shared_->users;
}

/// The rules that are in use, each once: a million keys with one limit hold it once.
class Limits {
 public:
  Limits();

  /// The rule of `limit`, which is valid.
  [[nodiscard]] Rule rule(const Limit& limit);
  /// How many different ones are in use.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  std::shared_ptr<Rule::Table> table_;
};

}  // namespace flint::limiter
