#pragma once

#include <nanobind/nanobind.h>

#include <optional>

#include "flint/decision.h"

namespace flint::python {

/// flint.CheckResult: a Decision whose time becomes a datetime when somebody asks for it. Behaves as the class in
/// flint_limiter/_python_result.py, which stands in for it where this module is not there. Immutable but for that one
/// cache.
class CheckResult {
 public:
  /// `key` is the str that was checked, so that no other one is made of it.
  CheckResult(nanobind::object key, const Decision& decision);
  /// As Python code makes one, and pickle.
  CheckResult(nanobind::str key, bool allowed, Units cost, Units limit, Units remaining, nanobind::object reset_at,
              std::uint64_t reset_after_ms, std::optional<std::uint64_t> retry_after_ms, nanobind::str algorithm,
              bool keys_full, std::optional<bool> would_deny, nanobind::tuple windows,
              nanobind::object unknown_timezone);

  [[nodiscard]] bool allowed() const noexcept { return allowed_; }
  [[nodiscard]] nanobind::object reset_at() const;
  /// A tuple of dicts, empty where the limit has one window.
  [[nodiscard]] nanobind::object windows() const;
  /// None, or the name of the zone.
  [[nodiscard]] nanobind::object unknown_timezone() const;
  /// The attributes, in the order of the constructor's arguments.
  [[nodiscard]] nanobind::tuple fields() const;

  static void define(nanobind::module_& module);

 private:
  nanobind::object key_;
  nanobind::object algorithm_;
  mutable nanobind::object reset_at_;
  mutable nanobind::object windows_;
  nanobind::object unknown_timezone_;
  WallTime reset_wall_{};
  Units cost_ = 0;
  Units limit_ = 0;
  Units remaining_ = 0;
  std::uint64_t reset_after_ms_ = 0;
  std::optional<std::uint64_t> retry_after_ms_ = 0;
  bool allowed_ = false;
  bool keys_full_ = false;
  std::optional<bool> would_deny_;
};

/// `key` is what was checked; one that is no plain str is replaced by the decision's.
[[nodiscard]] nanobind::object result(nanobind::object key, const Decision& decision);
/// A dict. Each of `items` begins with its key.
[[nodiscard]] nanobind::object results(const nanobind::list& items, const CheckAllResult& answer);

}  // namespace flint::python
