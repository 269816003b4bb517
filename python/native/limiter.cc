#include "limiter.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>

#include "arguments.h"
#include "base/assert.h"
#include "check_result.h"
#include "errors.h"
#include "values.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace flint::python {
namespace {

/// What `call` returns, without the GIL meanwhile.
template <typename Call>
auto without_gil(Call call) {
  nb::gil_scoped_release release;
  return call();
}

/// Of a pattern, what is short for a key takes as long as there are keys.
template <typename Call>
auto with_or_without_gil(bool is_long, Call call) {
  return is_long ? without_gil(call) : call();
}

/// Lets Python have its signals, and `told` its call, each time that a wait begins anew. What they raise ends the wait.
class PythonWait {
 public:
  explicit PythonWait(nb::object told) : told_(std::move(told)) {}

  /// Called without the GIL.
  bool goes_on() {
    const nb::gil_scoped_acquire gil;
    try {
      if (PyErr_CheckSignals() != 0) nb::raise_python_error();
      if (!told_.is_none()) told_();
      return true;
    } catch (nb::python_error& raised) {
      raised_.emplace(std::move(raised));
      return false;
    }
  }
  void raise_what_ended_it() {
    if (raised_) throw std::move(*raised_);
  }

 private:
  nb::object told_;
  std::optional<nb::python_error> raised_;
};

/// Raises as Limiter::open fails, and what a signal's handler or `while_waiting` raises during the wait.
std::unique_ptr<LimiterHandle> open(nb::bytes data_dir, bool always, std::uint64_t flush_every_ms,
                                    std::uint64_t flush_every_events, std::uint64_t max_unsynced_ms,
                                    std::uint64_t lock_timeout_ms, std::uint64_t max_keys, bool allow_on_full,
                                    nb::object while_waiting) {
  PythonWait wait(std::move(while_waiting));
  const Options options{.sync = always ? SyncMode::kAlways : SyncMode::kBatch,
                        .flush_every = std::chrono::milliseconds(flush_every_ms),
                        .flush_every_events = flush_every_events,
                        .max_unsynced = std::chrono::milliseconds(max_unsynced_ms),
                        .max_keys = max_keys,
                        .on_full = allow_on_full ? OnFull::kAllow : OnFull::kDeny,
                        .lock_timeout = std::chrono::milliseconds(lock_timeout_ms),
                        .keep_waiting = [&wait] { return wait.goes_on(); }};
  const std::string_view path(data_dir.c_str(), data_dir.size());
  auto opened = without_gil([&] { return Limiter::open(path, options); });
  wait.raise_what_ended_it();
  return std::make_unique<LimiterHandle>(value_or_raise(std::move(opened)));
}

std::unique_ptr<LimiterHandle> in_memory(std::shared_ptr<ManualClock> clock, std::uint64_t max_keys,
                                         bool allow_on_full) {
  const Options options{
      .max_keys = max_keys, .on_full = allow_on_full ? OnFull::kAllow : OnFull::kDeny, .clock = clock.get()};
  auto limiter = value_or_raise(without_gil([&] { return Limiter::open_in_memory(options); }));
  return std::make_unique<LimiterHandle>(std::move(limiter), std::move(clock));
}

nb::object back_up(nb::bytes data_dir, nb::bytes to) {
  const std::string_view from(data_dir.c_str(), data_dir.size());
  const std::string_view copy(to.c_str(), to.size());
  return value(value_or_raise(without_gil([&] { return backup(from, copy); })));
}

nb::object batch_results(const nb::list& checks, const std::vector<Result<Decision>>& decided) {
  nb::list results;
  for (std::size_t i = 0; i < decided.size(); ++i) {
    if (decided[i].ok()) {
      results.append(result(checks[i][0], *decided[i]));
    } else {
      const nb::object failed = nb::module_::import_("flint_limiter._result").attr("FailedCheck");
      results.append(failed(exception_for(decided[i].status())));
    }
  }
  return results;
}

}  // namespace

LimiterHandle::~LimiterHandle() {
  without_gil([&] { limiter_.reset(); });
}

void LimiterHandle::await(Ticket ticket) {
  if (ticket.seq == 0 || limiter_->is_durable(ticket)) return;
  raise_unless_ok(without_gil([&] { return limiter_->wait(ticket); }));
}

Deferred<Decision> LimiterHandle::decide(nb::handle key, nb::handle cost, const CheckOptions* options) {
  const CheckArguments arguments = read_check(key, cost);
  Result<Deferred<Decision>> decided = options == nullptr
                                           ? limiter_->check_deferred(arguments.key, arguments.cost)
                                           : limiter_->check_deferred(arguments.key, arguments.cost, *options);
  // A key that nobody configured is refused in Python's words when it could be none.
  if (decided.code() == Code::kInvalidArgument) [[unlikely]]
    refuse_check(key, cost);
  return value_or_raise(std::move(decided));
}

nb::object LimiterHandle::check(nb::object key, nb::handle cost) {
  const Deferred<Decision> decided = decide(key, cost);
  await(decided.ticket);
  return result(std::move(key), decided.value);
}

nb::tuple LimiterHandle::check_deferred(nb::object key, nb::handle cost) {
  const Deferred<Decision> decided = decide(key, cost);
  return nb::make_tuple(result(std::move(key), decided.value), decided.ticket.seq);
}

nb::object LimiterHandle::check_with(nb::object key, nb::handle cost, nb::handle limit, bool dry_run,
                                     RequestId request_id) {
  const CheckOptions options{.limit = read_limit(limit), .dry_run = dry_run, .request_id = request_id.value_or("")};
  const Deferred<Decision> decided = decide(key, cost, &options);
  await(decided.ticket);
  return result(std::move(key), decided.value);
}

nb::tuple LimiterHandle::check_with_deferred(nb::object key, nb::handle cost, nb::handle limit, bool dry_run,
                                             RequestId request_id) {
  const CheckOptions options{.limit = read_limit(limit), .dry_run = dry_run, .request_id = request_id.value_or("")};
  const Deferred<Decision> decided = decide(key, cost, &options);
  return nb::make_tuple(result(std::move(key), decided.value), decided.ticket.seq);
}

nb::object LimiterHandle::check_all(const nb::list& items, bool dry_run, RequestId request_id) {
  const Deferred<CheckAllResult> decided = decide_all(items, dry_run, request_id);
  await(decided.ticket);
  return results(items, decided.value);
}

nb::tuple LimiterHandle::check_all_deferred(const nb::list& items, bool dry_run, RequestId request_id) {
  const Deferred<CheckAllResult> decided = decide_all(items, dry_run, request_id);
  return nb::make_tuple(results(items, decided.value), decided.ticket.seq);
}

Deferred<CheckAllResult> LimiterHandle::decide_all(const nb::list& items, bool dry_run, RequestId request_id) {
  const ReadItems read = read_items(items);
  return value_or_raise(
      limiter_->check_all_deferred(read.items, {.dry_run = dry_run, .request_id = request_id.value_or("")}));
}

nb::object LimiterHandle::check_batch(const nb::list& checks) {
  const Deferred<std::vector<Result<Decision>>> decided = decide_batch(checks);
  await(decided.ticket);
  return batch_results(checks, decided.value);
}

nb::tuple LimiterHandle::check_batch_deferred(const nb::list& checks) {
  const Deferred<std::vector<Result<Decision>>> decided = decide_batch(checks);
  return nb::make_tuple(batch_results(checks, decided.value), decided.ticket.seq);
}

Deferred<std::vector<Result<Decision>>> LimiterHandle::decide_batch(const nb::list& checks) {
  const ReadChecks read = read_checks(checks);
  return value_or_raise(without_gil([&] { return limiter_->check_batch_deferred(read.checks); }));
}

std::uint64_t LimiterHandle::limit_deferred(std::string_view key, nb::handle limit, bool overrides,
                                            std::string_view mode) {
  const std::optional<Limit> rule = read_limit(limit);
  const std::optional<Mode> parsed = parse_mode(mode);
  FLINT_ASSERT(rule && parsed);
  const LimitOptions options{.overrides = overrides, .mode = *parsed};
  Ticket ticket;
  // A pattern's keys take the new rule over, which may be many.
  raise_unless_ok(
      with_or_without_gil(is_pattern(key), [&] { return limiter_->limit_deferred(key, *rule, &ticket, options); }));
  return ticket.seq;
}

void LimiterHandle::limit(std::string_view key, nb::handle limit, bool overrides, std::string_view mode) {
  await({limit_deferred(key, limit, overrides, mode)});
}

std::uint64_t LimiterHandle::reset_deferred(std::string_view key) {
  Ticket ticket;
  raise_unless_ok(with_or_without_gil(is_pattern(key), [&] { return limiter_->reset_deferred(key, &ticket); }));
  return ticket.seq;
}

void LimiterHandle::reset(std::string_view key) { await({reset_deferred(key)}); }

std::uint64_t LimiterHandle::remove_deferred(std::string_view key) {
  Ticket ticket;
  raise_unless_ok(with_or_without_gil(is_pattern(key), [&] { return limiter_->remove_deferred(key, &ticket); }));
  return ticket.seq;
}

void LimiterHandle::remove(std::string_view key) { await({remove_deferred(key)}); }

nb::object LimiterHandle::apply(const nb::list& limits, bool prune, bool dry_run) {
  const std::vector<NamedLimit> read = read_named_limits(limits);
  return value(
      value_or_raise(without_gil([&] { return limiter_->apply(read, {.prune = prune, .dry_run = dry_run}); })));
}

std::uint64_t LimiterHandle::reset_prefix(std::string_view prefix) {
  return value_or_raise(without_gil([&] { return limiter_->reset_prefix(prefix); }));
}

std::uint64_t LimiterHandle::remove_prefix(std::string_view prefix) {
  return value_or_raise(without_gil([&] { return limiter_->remove_prefix(prefix); }));
}

nb::object LimiterHandle::status(std::string_view key) {
  Result<LimitStatus> status = with_or_without_gil(is_pattern(key), [&] { return limiter_->status(key); });
  if (status.code() == Code::kLimitNotFound) return nb::none();
  return value(value_or_raise(std::move(status)));
}

nb::object LimiterHandle::list(std::string_view prefix, std::string_view after, std::size_t limit, bool keys) {
  const ListQuery query{.prefix = prefix, .after = after, .max_rows = limit, .keys = keys};
  return values(value_or_raise(without_gil([&] { return limiter_->list(query); })));
}

nb::object LimiterHandle::history(std::string_view key, std::size_t limit) {
  return values(value_or_raise(without_gil([&] { return limiter_->history(key, limit); })));
}

nb::object LimiterHandle::top(bool by_denied, std::size_t limit) {
  const TopBy by = by_denied ? TopBy::kDenied : TopBy::kAllowed;
  return values(value_or_raise(without_gil([&] { return limiter_->top(by, limit); })));
}

void LimiterHandle::compact() {
  raise_unless_ok(without_gil([&] { return limiter_->compact(); }));
}

void LimiterHandle::flush() {
  raise_unless_ok(without_gil([&] { return limiter_->flush(); }));
}

nb::object LimiterHandle::doctor() {
  const Status health = limiter_->health();
  if (health.code() == Code::kClosed) raise(health);
  return value(without_gil([&] { return limiter_->doctor(); }));
}

nb::tuple LimiterHandle::decisions() {
  const Status health = limiter_->health();
  if (health.code() == Code::kClosed) raise(health);
  const Stats stats = without_gil([&] { return limiter_->stats(); });
  return nb::make_tuple(stats.allowed, stats.denied);
}

nb::list LimiterHandle::rule_decisions() {
  const Status health = limiter_->health();
  if (health.code() == Code::kClosed) raise(health);
  const Stats stats = without_gil([&] { return limiter_->stats(); });
  nb::list rules;
  for (const RuleStats& each : stats.rules) {
    nb::dict rule;
    rule["rule"] = std::string_view(each.rule);
    rule["allowed"] = each.allowed;
    rule["denied"] = each.denied;
    rule["would_deny"] = each.would_deny;
    rule["forgotten_keys"] = each.forgotten_keys;
    rule["keys"] = each.keys;
    rules.append(rule);
  }
  return rules;
}

void LimiterHandle::close() {
  raise_unless_ok(without_gil([&] { return limiter_->close(); }));
}

void LimiterHandle::define(nb::module_& module) {
  using Handle = LimiterHandle;
  module.def("backup", back_up, "data_dir"_a, "to"_a);
  nb::class_<Handle> handle(module, "LimiterHandle");
  handle
      .def_static("open", open, "data_dir"_a, "always"_a, "flush_every_ms"_a, "flush_every_events"_a,
                  "max_unsynced_ms"_a, "lock_timeout_ms"_a, "max_keys"_a, "allow_on_full"_a, "while_waiting"_a.none())
      .def_static("in_memory", in_memory, "clock"_a, "max_keys"_a, "allow_on_full"_a)
      .def("check", &Handle::check, "key"_a.none(), "cost"_a.none())
      .def("check_deferred", &Handle::check_deferred, "key"_a.none(), "cost"_a.none())
      .def("check_with", &Handle::check_with, "key"_a.none(), "cost"_a.none(), "limit"_a.none(), "dry_run"_a,
           "request_id"_a.none())
      .def("check_with_deferred", &Handle::check_with_deferred, "key"_a.none(), "cost"_a.none(), "limit"_a.none(),
           "dry_run"_a, "request_id"_a.none())
      .def("check_all", &Handle::check_all, "items"_a, "dry_run"_a, "request_id"_a.none())
      .def("check_all_deferred", &Handle::check_all_deferred, "items"_a, "dry_run"_a, "request_id"_a.none())
      .def("check_batch", &Handle::check_batch, "checks"_a)
      .def("check_batch_deferred", &Handle::check_batch_deferred, "checks"_a)
      .def("limit", &Handle::limit, "key"_a, "limit"_a, "overrides"_a, "mode"_a)
      .def("limit_deferred", &Handle::limit_deferred, "key"_a, "limit"_a, "overrides"_a, "mode"_a)
      .def("apply", &Handle::apply, "limits"_a, "prune"_a, "dry_run"_a)
      .def("reset", &Handle::reset, "key"_a)
      .def("reset_deferred", &Handle::reset_deferred, "key"_a)
      .def("remove", &Handle::remove, "key"_a)
      .def("remove_deferred", &Handle::remove_deferred, "key"_a)
      .def("reset_prefix", &Handle::reset_prefix, "prefix"_a)
      .def("remove_prefix", &Handle::remove_prefix, "prefix"_a)
      .def("status", &Handle::status, "key"_a)
      .def("list", &Handle::list, "prefix"_a, "after"_a, "limit"_a, "keys"_a)
      .def("history", &Handle::history, "key"_a, "limit"_a)
      .def("top", &Handle::top, "by_denied"_a, "limit"_a)
      .def("compact", &Handle::compact)
      .def("flush", &Handle::flush)
      .def("doctor", &Handle::doctor)
      .def("decisions", &Handle::decisions)
      .def("rule_decisions", &Handle::rule_decisions)
      .def("close", &Handle::close)
      .def(
          "notify",
          [](Handle& self, CommitSignal& signal, std::uint64_t ticket) { signal.await(*self.limiter_, {ticket}); },
          "signal"_a, "ticket"_a);
  define_reservations(handle);
}

}  // namespace flint::python
