#include "api/operations.h"

#include <algorithm>
#include <array>

#include "api/openapi.h"
#include "api/plain_check.h"
#include "api/requests.h"
#include "base/assert.h"

namespace flint::api {
namespace {

constexpr std::uint64_t kMaxListLimit = 1'000'000'000;
// These answers are made in memory, whole.
constexpr std::uint64_t kMaxHistoryLimit = 10'000;
constexpr std::uint64_t kMaxTopLimit = 10'000;
constexpr std::uint64_t kDefaultHistoryLimit = 100;
constexpr std::uint64_t kDefaultTopLimit = 20;

Status check(Reading& reading) {
  const Result<CheckRequest> request = read_check(*reading.body);
  if (!request.ok()) return request.status();
  if (request->limit) reading.limits = {*request->limit};
  reading.asked = backend::Check{.key = request->key,
                                 .cost = request->cost,
                                 .limit = request->limit ? &reading.limits.front() : nullptr,
                                 .dry_run = request->dry_run,
                                 .request_id = request->request_id};
  return {};
}

bool check_plain(Reading& reading) {
  const std::optional<PlainCheck> plain = scan_plain_check(reading.request.body);
  if (plain) reading.asked = backend::Check{.key = plain->key, .cost = plain->cost};
  return plain.has_value();
}

Status check_all(Reading& reading) {
  Result<CheckAllRequest> request = read_check_all(*reading.body);
  if (!request.ok()) return request.status();
  reading.items = std::move(request->items);
  reading.limits = std::move(request->limits);
  reading.asked =
      backend::CheckAll{.items = reading.items, .dry_run = request->dry_run, .request_id = request->request_id};
  return {};
}

Status check_batch(Reading& reading) {
  Result<CheckBatchRequest> request = read_check_batch(*reading.body);
  if (!request.ok()) return request.status();
  reading.checks = std::move(request->checks);
  reading.limits = std::move(request->limits);
  reading.asked = backend::CheckBatch{.checks = reading.checks};
  return {};
}

Status charge(Reading& reading) {
  const Result<CheckRequest> request = read_charge(*reading.body);
  if (!request.ok()) return request.status();
  if (request->limit) reading.limits = {*request->limit};
  reading.asked = backend::Charge{.key = request->key,
                                  .cost = request->cost,
                                  .limit = request->limit ? &reading.limits.front() : nullptr,
                                  .request_id = request->request_id};
  return {};
}

Status reserve(Reading& reading) {
  Result<ReserveRequest> request = read_reserve(*reading.body);
  if (!request.ok()) return request.status();
  reading.items = std::move(request->items);
  reading.limits = std::move(request->limits);
  reading.asked = backend::Reserve{.items = reading.items, .options = request->options};
  return {};
}

Status commit(Reading& reading) {
  Result<CommitRequest> request = read_commit(*reading.body);
  if (!request.ok()) return request.status();
  reading.costs = std::move(request->costs);
  reading.asked = backend::Commit{.reservation = request->reservation, .costs = reading.costs};
  return {};
}

Status cancel(Reading& reading) {
  const Result<std::string_view> reservation = read_cancel(*reading.body);
  if (!reservation.ok()) return reservation.status();
  reading.asked = backend::Cancel{*reservation};
  return {};
}

Status renew(Reading& reading) {
  const Result<RenewRequest> request = read_renew(*reading.body);
  if (!request.ok()) return request.status();
  reading.asked = backend::Renew{.reservation = request->reservation, .ttl = request->ttl};
  return {};
}

Status reservation(Reading& reading) {
  if (Status valid = check_reservation_id(reading.key); !valid.ok()) return valid;
  reading.asked = backend::ReadReservation{reading.key};
  return {};
}

Status set_limit(Reading& reading) {
  const Result<LimitRequest> request = read_limit(*reading.body);
  if (!request.ok()) return request.status();
  reading.asked = backend::SetLimit{request->key, request->limit, request->options};
  return {};
}

Status apply_limits(Reading& reading) {
  Result<ApplyRequest> request = read_apply(*reading.body);
  if (!request.ok()) return request.status();
  reading.named_limits = std::move(request->limits);
  reading.asked =
      backend::ApplyLimits{.limits = reading.named_limits, .prune = request->prune, .dry_run = request->dry_run};
  return {};
}

Status reset(Reading& reading) {
  const Result<std::string_view> key = read_reset(*reading.body);
  if (!key.ok()) return key.status();
  reading.asked = backend::Reset{*key};
  return {};
}

Status reset_prefix(Reading& reading) {
  const Result<std::string_view> prefix = read_reset_prefix(*reading.body);
  if (!prefix.ok()) return prefix.status();
  reading.asked = backend::ResetPrefix{*prefix};
  return {};
}

Status remove(Reading& reading) {
  reading.asked = backend::Remove{reading.key};
  return {};
}

Status remove_prefix(Reading& reading) {
  const std::optional<std::string_view> prefix = reading.query.text("prefix");
  if (!prefix || prefix->empty()) {
    return Status::of_field("prefix", "must be given and not be empty: it says which limits and keys to delete.");
  }
  reading.asked = backend::RemovePrefix{*prefix};
  return {};
}

Status list(Reading& reading) {
  const Result<std::uint64_t> limit = reading.query.number("limit", kMaxListLimit, kMaxListLimit);
  if (!limit.ok()) return limit.status();
  const std::string_view keys = reading.query.text("keys").value_or("false");
  if (keys != "true" && keys != "false") return Status::of_field("keys", "must be true or false.");
  reading.asked = backend::List{{.prefix = reading.query.text("prefix").value_or(""),
                                 .after = reading.query.text("after").value_or(""),
                                 .max_rows = static_cast<std::size_t>(*limit),
                                 .keys = keys == "true"}};
  return {};
}

Status status(Reading& reading) {
  if (is_pattern(reading.key)) {
    reading.asked = backend::SumUp{reading.key};
  } else {
    reading.asked = backend::ReadStatus{reading.key};
  }
  return {};
}

Status history(Reading& reading) {
  const Result<std::uint64_t> limit = reading.query.number("limit", kDefaultHistoryLimit, kMaxHistoryLimit);
  if (!limit.ok()) return limit.status();
  reading.asked = backend::ReadHistory{reading.key, static_cast<std::size_t>(*limit)};
  return {};
}

Status top(Reading& reading) {
  const Result<std::uint64_t> limit = reading.query.number("limit", kDefaultTopLimit, kMaxTopLimit);
  if (!limit.ok()) return limit.status();
  const std::string_view by = reading.query.text("by").value_or("denied");
  if (by != "denied" && by != "allowed") return Status::of_field("by", "must be denied or allowed.");
  reading.asked = backend::Top{by == "denied" ? TopBy::kDenied : TopBy::kAllowed, static_cast<std::size_t>(*limit)};
  return {};
}

template <typename Operation>
Status without_arguments(Reading& reading) {
  reading.asked = Operation{};
  return {};
}

void write_openapi(std::string& out) { out += openapi_document(); }

using enum Argument::In;
constexpr bool kRequired = true;
constexpr bool kChangesLimits = true;
constexpr Target kNone = Target::kNone;
constexpr Target kNeedsLimit = Target::kLimit;
constexpr Target kNeedsReservation = Target::kReservation;

constexpr std::array<Argument, 0> kNothing;
constexpr std::array kKey = std::to_array<Argument>({{"key", kPath, kRequired}});
constexpr std::array kCheck = std::to_array<Argument>(
    {{"key", kBody, kRequired}, {"cost", kBody}, {"limit", kBody}, {"dry_run", kBody}, {"request_id", kBody}});
constexpr std::array kCheckAll =
    std::to_array<Argument>({{"items", kBody, kRequired}, {"dry_run", kBody}, {"request_id", kBody}});
constexpr std::array kCheckBatch = std::to_array<Argument>({{"checks", kBody, kRequired}});
constexpr std::array kCharge = std::to_array<Argument>(
    {{"key", kBody, kRequired}, {"cost", kBody, kRequired}, {"limit", kBody}, {"request_id", kBody}});
constexpr std::array kReserve = std::to_array<Argument>(
    {{"items", kBody, kRequired}, {"ttl", kBody, kRequired}, {"on_expiry", kBody}, {"request_id", kBody}});
constexpr std::array kCommit = std::to_array<Argument>({{"reservation", kBody, kRequired}, {"costs", kBody}});
constexpr std::array kCancel = std::to_array<Argument>({{"reservation", kBody, kRequired}});
constexpr std::array kRenew = std::to_array<Argument>({{"reservation", kBody, kRequired}, {"ttl", kBody, kRequired}});
constexpr std::array kReservation = std::to_array<Argument>({{"id", kPath, kRequired}});
constexpr std::array kReset = std::to_array<Argument>({{"key", kBody, kRequired}});
constexpr std::array kResetPrefix = std::to_array<Argument>({{"prefix", kBody, kRequired}});
constexpr std::array kRemovePrefix = std::to_array<Argument>({{"prefix", kQuery, kRequired}});
constexpr std::array kSetLimit = std::to_array<Argument>({{"key", kBody, kRequired},
                                                          {"limit", kBody},
                                                          {"windows", kBody},
                                                          {"rate", kBody},
                                                          {"per", kBody},
                                                          {"algorithm", kBody},
                                                          {"burst", kBody},
                                                          {"align", kBody},
                                                          {"timezone", kBody},
                                                          {"override", kBody},
                                                          {"mode", kBody}});
constexpr std::array kApplyLimits =
    std::to_array<Argument>({{"limits", kBody, kRequired}, {"prune", kBody}, {"dry_run", kBody}});
constexpr std::array kList =
    std::to_array<Argument>({{"prefix", kQuery}, {"limit", kQuery}, {"after", kQuery}, {"keys", kQuery}});
constexpr std::array kHistory = std::to_array<Argument>({{"key", kPath, kRequired}, {"limit", kQuery}});
constexpr std::array kTop = std::to_array<Argument>({{"by", kQuery}, {"limit", kQuery}});

constexpr Roles kDecides{.check = true, .metrics = false};
constexpr Roles kReads{.check = false, .metrics = true};
constexpr Roles kBoth{.check = true, .metrics = true};
constexpr Roles kAdmin{};

template <typename Operation>
constexpr Effect kEffectOf = Operation::kEffect;

// clang-format off
constexpr OperationRow kOperations[] = {
    {"check", "/v1/check", Method::kPost, kDecides, kEffectOf<backend::Check>, Needs::kRoom, kNeedsLimit, kCheck,
     "Decision", check, nullptr, false, kMaxBodyBytes, kMaxJsonValues, check_plain},
    {"checkAll", "/v1/check-all", Method::kPost, kDecides, kEffectOf<backend::CheckAll>, Needs::kRoom, kNeedsLimit,
     kCheckAll, "CheckAllResult", check_all},
    {"checkBatch", "/v1/check-batch", Method::kPost, kDecides, kEffectOf<backend::CheckBatch>, Needs::kRoom, kNone,
     kCheckBatch, "CheckBatchResult", check_batch, nullptr, false, kMaxBatchBodyBytes, kMaxBatchJsonValues},
    {"charge", "/v1/charge", Method::kPost, kDecides, kEffectOf<backend::Charge>, Needs::kRoom, kNeedsLimit, kCharge,
     "Decision", charge},
    {"reserve", "/v1/reserve", Method::kPost, kDecides, kEffectOf<backend::Reserve>, Needs::kRoom, kNeedsLimit,
     kReserve, "ReserveResult", reserve},
    {"commit", "/v1/commit", Method::kPost, kDecides, kEffectOf<backend::Commit>, Needs::kRoom, kNeedsReservation,
     kCommit, "Settlement", commit},
    {"cancel", "/v1/cancel", Method::kPost, kDecides, kEffectOf<backend::Cancel>, Needs::kRoom, kNeedsReservation,
     kCancel, "Settlement", cancel},
    {"renew", "/v1/renew", Method::kPost, kDecides, kEffectOf<backend::Renew>, Needs::kRoom, kNeedsReservation, kRenew,
     "Reservation", renew},
    {"getReservation", "/v1/reservations/{id}", Method::kGet, kDecides, kEffectOf<backend::ReadReservation>,
     Needs::kMemory, kNeedsReservation, kReservation, "Reservation", reservation},
    {"reset", "/v1/reset", Method::kPost, kAdmin, kEffectOf<backend::Reset>, Needs::kRoom, kNeedsLimit, kReset,
     "Done", reset},
    {"listLimits", "/v1/limits", Method::kGet, kReads, kEffectOf<backend::List>, Needs::kMemory, kNone, kList,
     "Status[]", list},
    {"setLimit", "/v1/limits", Method::kPost, kAdmin, kEffectOf<backend::SetLimit>, Needs::kRoom, kNone, kSetLimit,
     "Done", set_limit, nullptr, kChangesLimits},
    {"applyLimits", "/v1/apply", Method::kPost, kAdmin, kEffectOf<backend::ApplyLimits>, Needs::kRoom, kNone,
     kApplyLimits, "LimitChanges", apply_limits, nullptr, kChangesLimits, kMaxLimitsBodyBytes, kMaxLimitsJsonValues},
    {"getLimit", "/v1/limits/{key}", Method::kGet, kBoth, kEffectOf<backend::ReadStatus>, Needs::kMemory, kNeedsLimit,
     kKey, "Status", status},
    {"deleteLimit", "/v1/limits/{key}", Method::kDelete, kAdmin, kEffectOf<backend::Remove>, Needs::kRoom,
     kNeedsLimit, kKey, "Done", remove, nullptr, kChangesLimits},
    {"deleteLimits", "/v1/limits", Method::kDelete, kAdmin, kEffectOf<backend::RemovePrefix>, Needs::kRoom, kNone,
     kRemovePrefix, "Deleted", remove_prefix},
    {"resetPrefix", "/v1/reset-prefix", Method::kPost, kAdmin, kEffectOf<backend::ResetPrefix>, Needs::kRoom, kNone,
     kResetPrefix, "ResetCount", reset_prefix},
    {"history", "/v1/history/{key}", Method::kGet, kReads, kEffectOf<backend::ReadHistory>, Needs::kFiles,
     kNeedsLimit, kHistory, "Event[]", history},
    {"top", "/v1/top", Method::kGet, kReads, kEffectOf<backend::Top>, Needs::kMemory, kNone, kTop, "Status[]", top},
    {"flush", "/v1/log/flush", Method::kPost, kAdmin, kEffectOf<backend::Flush>, Needs::kRoom, kNone, kNothing,
     "Done", without_arguments<backend::Flush>},
    {"compact", "/v1/log/compact", Method::kPost, kAdmin, kEffectOf<backend::Compact>, Needs::kRoom, kNone, kNothing,
     "Done", without_arguments<backend::Compact>},
    {"doctor", "/v1/doctor", Method::kGet, kReads, kEffectOf<backend::Examine>, Needs::kMemory, kNone, kNothing,
     "DoctorReport", without_arguments<backend::Examine>},
    {"health", "/v1/health", Method::kGet, kBoth, kEffectOf<backend::ReadHealth>, Needs::kMemory, kNone, kNothing,
     "Health", without_arguments<backend::ReadHealth>},
    {"openapi", "/v1/openapi.json", Method::kGet, kBoth, Effect::kReads, Needs::kMemory, kNone, kNothing, "object",
     nullptr, write_openapi},
};
// clang-format on

}  // namespace

bool OperationRow::matches(std::string_view request_path) const {
  if (!takes_key() && !takes_id()) return request_path == path;
  const std::string_view before = fixed_path();
  if (!request_path.starts_with(before)) return false;
  const std::string_view last = request_path.substr(before.size());
  return !last.empty() && last.find('/') == std::string_view::npos;
}

std::span<const OperationRow> operations() noexcept { return kOperations; }

const OperationRow& operation(std::string_view name) noexcept {
  const auto* found = std::find_if(std::begin(kOperations), std::end(kOperations),
                                   [name](const OperationRow& row) { return row.name == name; });
  FLINT_ASSERT(found != std::end(kOperations));
  return *found;
}

}  // namespace flint::api
