#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <optional>
#include <string_view>

#include "commit_signal.h"
#include "flint/limiter.h"
#include "manual_clock.h"

namespace flint::python {

/// flint::Limiter for flint_limiter/_limiter.py, which has the contract that users see: converts, and decides nothing.
/// All but the checks take arguments that _arguments.py has passed.
///
/// The GIL is released for what waits or takes long. It is kept for a decision, which is shorter than letting go of the
/// GIL and getting it back; that is no deadlock, because nothing that holds the store's mutex ever asks for the GIL.
class LimiterHandle {
 public:
  /// `clock` is what `limiter` reads the time from, unless that is the machine's.
  explicit LimiterHandle(std::unique_ptr<Limiter> limiter, std::shared_ptr<ManualClock> clock = nullptr)
      : clock_(std::move(clock)), limiter_(std::move(limiter)) {}
  /// Closes, which may wait for storage.
  ~LimiterHandle();
  LimiterHandle(const LimiterHandle&) = delete;
  LimiterHandle& operator=(const LimiterHandle&) = delete;

  static void define(nanobind::module_& module);

 private:
  // In pairs: the first waits until what it did is durable, the second one says from which ticket on it is (0: now).
  nanobind::object check(nanobind::object key, nanobind::handle cost);
  nanobind::tuple check_deferred(nanobind::object key, nanobind::handle cost);
  using RequestId = std::optional<std::string_view>;
  nanobind::object check_with(nanobind::object key, nanobind::handle cost, nanobind::handle limit, bool dry_run,
                              RequestId request_id);
  nanobind::tuple check_with_deferred(nanobind::object key, nanobind::handle cost, nanobind::handle limit, bool dry_run,
                                      RequestId request_id);
  nanobind::object check_all(const nanobind::list& items, bool dry_run, RequestId request_id);
  nanobind::tuple check_all_deferred(const nanobind::list& items, bool dry_run, RequestId request_id);
  nanobind::object check_batch(const nanobind::list& checks);
  nanobind::tuple check_batch_deferred(const nanobind::list& checks);
  // In reservations.cc.
  nanobind::object charge(nanobind::object key, Units cost, nanobind::handle limit, RequestId request_id);
  nanobind::tuple charge_deferred(nanobind::object key, Units cost, nanobind::handle limit, RequestId request_id);
  nanobind::tuple reserve(const nanobind::list& items, std::uint64_t ttl_ms, std::string_view on_expiry,
                          RequestId request_id);
  nanobind::tuple reserve_deferred(const nanobind::list& items, std::uint64_t ttl_ms, std::string_view on_expiry,
                                   RequestId request_id);
  nanobind::list commit(std::string_view reservation, const nanobind::dict& costs);
  nanobind::tuple commit_deferred(std::string_view reservation, const nanobind::dict& costs);
  nanobind::list cancel(std::string_view reservation);
  nanobind::tuple cancel_deferred(std::string_view reservation);
  nanobind::object renew(std::string_view reservation, std::uint64_t ttl_ms);
  nanobind::tuple renew_deferred(std::string_view reservation, std::uint64_t ttl_ms);
  nanobind::object reservation(std::string_view reservation);

  void limit(std::string_view key, nanobind::handle limit, bool overrides, std::string_view mode);
  std::uint64_t limit_deferred(std::string_view key, nanobind::handle limit, bool overrides, std::string_view mode);
  void reset(std::string_view key);
  std::uint64_t reset_deferred(std::string_view key);
  void remove(std::string_view key);
  std::uint64_t remove_deferred(std::string_view key);

  nanobind::object apply(const nanobind::list& limits, bool prune, bool dry_run);
  std::uint64_t reset_prefix(std::string_view prefix);
  std::uint64_t remove_prefix(std::string_view prefix);
  nanobind::object status(std::string_view key);
  nanobind::object list(std::string_view prefix, std::string_view after, std::size_t limit, bool keys);
  nanobind::object history(std::string_view key, std::size_t limit);
  nanobind::object top(bool by_denied, std::size_t limit);
  void compact();
  void flush();
  nanobind::object doctor();
  /// How many were allowed, and how many were denied, since the directory was opened.
  nanobind::tuple decisions();
  /// Of each rule, what RuleStats says in its order.
  nanobind::list rule_decisions();
  void close();

  static void define_reservations(nanobind::class_<LimiterHandle>& handle);

  void await(Ticket ticket);
  Deferred<Decision> decide(nanobind::handle key, nanobind::handle cost, const CheckOptions* options = nullptr);
  Deferred<std::vector<Result<Decision>>> decide_batch(const nanobind::list& checks);
  Deferred<Decision> decide_charge(nanobind::handle key, Units cost, nanobind::handle limit, RequestId request_id);
  Deferred<ReserveResult> decide_reserve(const nanobind::list& items, std::uint64_t ttl_ms, std::string_view on_expiry,
                                         RequestId request_id);
  Deferred<Settlement> decide_commit(std::string_view reservation, const nanobind::dict& costs);
  Deferred<CheckAllResult> decide_all(const nanobind::list& items, bool dry_run, RequestId request_id);

  std::shared_ptr<ManualClock> clock_;
  std::unique_ptr<Limiter> limiter_;
};

}  // namespace flint::python
