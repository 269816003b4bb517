#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/json_document.h"
#include "flint/decision.h"
#include "flint/limit.h"
#include "flint/limiter.h"
#include "flint/reservation.h"

/// The bodies of the POST requests. Each is read from a parsed document, refers to it, and is right in itself: what is
/// wrong is kInvalidArgument with the path of the field. What depends on the key's limit is the Limiter's to say.
namespace flint::api {

struct LimitRequest {
  std::string_view key;
  Limit limit;
  LimitOptions options;
};

struct ApplyRequest {
  std::vector<NamedLimit> limits;
  bool prune = false;
  bool dry_run = false;
};

struct CheckRequest {
  std::string_view key;
  Units cost = 1;
  /// The one that the check carries.
  std::optional<Limit> limit;
  bool dry_run = false;
  /// Empty if it has none.
  std::string_view request_id;
};

struct CheckAllRequest {
  std::vector<CheckItem> items;
  /// Those that items carry, which point into it.
  std::vector<Limit> limits;
  bool dry_run = false;
  std::string_view request_id;
};

struct ReserveRequest {
  std::vector<CheckItem> items;
  /// Those that items carry, which point into it.
  std::vector<Limit> limits;
  ReserveOptions options;
};

struct CommitRequest {
  std::string_view reservation;
  std::vector<ActualCost> costs;
};

struct RenewRequest {
  std::string_view reservation;
  Nanos ttl{};
};

struct CheckBatchRequest {
  /// A failure stands for a check that is not right in itself: it names the path of the field.
  std::vector<Result<BatchCheck>> checks;
  /// Those that checks carry, which point into it.
  std::vector<Limit> limits;
};

/// `{"key","cost"?,"limit"?,"dry_run"?,"request_id"?}`; `limit` is a rate string, or an object of what read_limit()
/// takes in its place.
Result<CheckRequest> read_check(const JsonDocument& body);
/// `{"items":[...],"dry_run"?,"request_id"?}`, each item `{"key","cost"?,"limit"?}`, `"key"`, `["key"]` or
/// `["key",cost]`.
Result<CheckAllRequest> read_check_all(const JsonDocument& body);
/// `{"checks":[...]}`, each as read_check() takes it. Fails only where that is not so of the whole.
Result<CheckBatchRequest> read_check_batch(const JsonDocument& body);
/// `{"key","cost","limit"?,"request_id"?}`: as a check, but the cost is required.
Result<CheckRequest> read_charge(const JsonDocument& body);
/// `{"items":[...],"ttl","on_expiry"?,"request_id"?}`, the items as read_check_all() takes them, `ttl` as `per` below.
Result<ReserveRequest> read_reserve(const JsonDocument& body);
/// `{"reservation","costs"?}`; `costs` is an object of up to kMaxCheckAllItems keys and their costs, from 0 on.
Result<CommitRequest> read_commit(const JsonDocument& body);
/// `{"reservation"}`
Result<std::string_view> read_cancel(const JsonDocument& body);
/// `{"reservation","ttl"}`
Result<RenewRequest> read_renew(const JsonDocument& body);
/// kInvalidArgument for what cannot be the id of a reservation.
Status check_reservation_id(std::string_view id);
/// `{"key","limit"}`, a rate string; or `{"key","rate","per","algorithm"?,"burst"?}`, where `per` is a duration as
/// text, or an integer of seconds; or `{"key","windows":[...]}` with 1 to kMaxWindows such objects without `key`. And
/// `"override"?,"mode"?`.
Result<LimitRequest> read_limit(const JsonDocument& body);
/// `{"limits":[...],"prune"?,"dry_run"?}`, each limit what read_limit() takes.
Result<ApplyRequest> read_apply(const JsonDocument& body);
/// `{"key"}`
Result<std::string_view> read_reset(const JsonDocument& body);
/// `{"prefix"}`, which is not empty
Result<std::string_view> read_reset_prefix(const JsonDocument& body);
/// `{}`
Status read_nothing(const JsonDocument& body);

}  // namespace flint::api
