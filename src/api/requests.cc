#include "api/requests.h"

#include <algorithm>

#include "api/members.h"
#include "api/plain_check.h"
#include "base/invalid.h"

namespace flint::api {
namespace {

/// validate_key, with the path of the field in place of `key`.
Status check_key(std::string_view key, std::string_view path) {
  Status valid = validate_key(key);
  return valid.ok() ? valid : valid.renamed(path);
}

Nanos read_period(Members& members, std::string_view name) {
  const JsonNode* node = members.any(name);
  if (node == nullptr) return {};
  const bool number = node->kind == JsonNode::Kind::kUnsigned || node->kind == JsonNode::Kind::kNumber;
  if (node->kind != JsonNode::Kind::kString && !number) {
    members.fail(Status::of_field(
        members.path_of(name),
        "must be a duration such as \"1m\" or an integer of seconds, not " + std::string(kind_name(*node)) + "."));
    return {};
  }
  // A whole number of seconds may have been written as 60.0.
  const bool whole = node->kind == JsonNode::Kind::kUnsigned;
  Result<Nanos> period = whole ? parse_period(std::to_string(node->integer)) : parse_period(node->text);
  if (period.ok()) return *period;
  members.fail(period.status().renamed(members.path_of(name)));
  return {};
}

Algorithm read_algorithm(Members& members) {
  const std::string_view name = members.text("algorithm");
  const std::optional<Algorithm> algorithm = parse_algorithm(name);
  if (!algorithm) {
    members.fail(base::unknown_algorithm().renamed(members.path_of("algorithm")));
  }
  return algorithm.value_or(Algorithm::kTokenBucket);
}

Mode read_mode(Members& members) {
  const std::optional<Mode> mode = parse_mode(members.text("mode"));
  if (!mode) members.fail(base::unknown_mode());
  return mode.value_or(Mode::kEnforce);
}

void read_calendar(Members& members, Limit& limit) {
  const std::optional<Align> align = parse_align(members.text("align"));
  if (!align) {
    members.fail(Status::of_field(members.path_of("align"), "must be day, week, month or year."));
    return;
  }
  limit.align = *align;
  limit.algorithm = Algorithm::kFixedWindowCounter;
  if (members.has("timezone")) limit.timezone = members.text("timezone");
  if (members.has("timezone") && limit.timezone.empty()) {
    members.fail(Status::of_field(members.path_of("timezone"), "must not be empty: leave it out for UTC."));
  }
  if (limit.timezone == "UTC") limit.timezone.clear();
  if (members.has("per")) {
    members.fail(
        Status::of_field(members.path_of("per"), "must be left out with align, which says how long the window is."));
  }
}

Limit read_rule(Members& members) {
  Limit limit;
  limit.rate = members.units("rate");
  if (members.has("align")) {
    read_calendar(members, limit);
  } else {
    limit.per = read_period(members, "per");
    if (members.has("timezone")) {
      members.fail(Status::of_field(members.path_of("timezone"), "is for a limit with align: leave it out."));
    }
  }
  if (members.has("algorithm")) limit.algorithm = read_algorithm(members);
  if (members.has("burst")) limit.burst = members.units("burst");
  return limit;
}

/// `name` says by itself all that the other fields could.
void refuse_others(Members& members, std::string_view name, std::initializer_list<std::string_view> names) {
  std::string others;
  for (const std::string_view other : names) {
    if (members.has(other)) others.append(others.empty() ? "" : ", ").append(other);
  }
  if (others.empty()) return;
  members.fail(Status::of_field(members.path_of(name), "takes the place of rate, per, algorithm and burst: leave out " +
                                                           others + ", or " + std::string(name) + "."));
}

Limit read_windows(const JsonDocument& body, Members& members) {
  refuse_others(members, "windows", {"rate", "per", "algorithm", "burst", "align", "timezone"});
  const JsonNode* array = members.status().ok() ? members.any("windows") : nullptr;
  if (array == nullptr) return {};
  const std::string path = members.path_of("windows");
  if (array->kind != JsonNode::Kind::kArray || array->size < 1 || array->size > kMaxWindows) {
    members.fail(Status::of_field(
        path, "must be an array of 1 to " + std::to_string(kMaxWindows) + " objects with rate and per."));
    return {};
  }
  Limit limit;
  const JsonNode* node = body.first_child(*array);
  for (std::uint32_t i = 0; i < array->size; ++i, node = body.sibling(*node)) {
    Members parts(body, *node, path + "[" + std::to_string(i) + "]",
                  {"rate", "per", "algorithm", "burst", "align", "timezone"});
    Limit& window = i == 0 ? limit : limit.further.emplace_back();
    if (parts.status().ok()) window = read_rule(parts);
    if (parts.status().ok()) continue;
    members.fail(parts.status());
    return {};
  }
  return limit;
}

/// In fields: one window, or several.
Limit read_parts(const JsonDocument& body, Members& members) {
  return members.has("windows") ? read_windows(body, members) : read_rule(members);
}

Limit read_rate_string(Members& members) {
  refuse_others(members, "limit", {"windows", "rate", "per", "algorithm", "burst", "align", "timezone"});
  if (!members.status().ok()) return {};
  const std::string_view text = members.text("limit");
  if (!members.status().ok()) return {};
  const Result<Limit> limit = parse_limit(text);
  if (limit.ok()) return *limit;
  members.fail(limit.status());
  return {};
}

/// A limit by the members of an object: a rate string, or its parts.
Limit read_limit_members(const JsonDocument& body, Members& members) {
  if (members.has("limit")) return read_rate_string(members);
  if (members.has("windows") || members.has("rate") || members.has("per") || members.has("align"))
    return read_parts(body, members);
  members.fail(Status::of_field("limit", "is missing: give limit, such as \"100/m\", or both rate and per."));
  return {};
}

/// The limit that a check carries: a rate string, or an object of its parts. The Limiter says whether it is valid.
std::optional<Limit> read_carried(const JsonDocument& body, Members& members) {
  if (!members.has("limit")) return std::nullopt;
  const JsonNode* node = members.any("limit");
  if (node == nullptr) return std::nullopt;
  if (node->kind == JsonNode::Kind::kString) {
    const Result<Limit> limit = parse_limit(node->text);
    if (limit.ok()) return *limit;
    members.fail(limit.status());
    return std::nullopt;
  }
  if (node->kind != JsonNode::Kind::kObject) {
    members.fail({Code::kInvalidArgument, members.path_of("limit") +
                                              " must be a text such as \"100/m\" or an object with rate and per, not " +
                                              std::string(kind_name(*node)) + "."});
    return std::nullopt;
  }
  Members parts(body, *node, members.path_of("limit"),
                {"rate", "per", "algorithm", "burst", "align", "timezone", "windows", "mode"});
  if (parts.has("mode")) {
    parts.fail(Status::of_field(parts.path_of("mode"),
                                "cannot come with a check: set it with the limit of a key or of a pattern."));
  }
  Limit limit;
  if (parts.status().ok()) limit = read_parts(body, parts);
  if (parts.status().ok()) return limit;
  members.fail(parts.status());
  return std::nullopt;
}

/// The members of a check, also as an item of one over several keys; the caller reads what else there is.
CheckRequest read_check_members(const JsonDocument& body, Members& members) {
  CheckRequest request;
  if (!members.status().ok()) return request;
  request.key = members.text("key");
  if (members.has("cost")) request.cost = members.units("cost");
  request.limit = read_carried(body, members);
  return request;
}

/// Empty where it is left out.
std::string_view read_request_id(Members& members) {
  if (!members.has("request_id")) return {};
  const std::string_view id = members.text("request_id");
  if (Status valid = validate_request_id(id); members.status().ok() && !valid.ok()) {
    members.fail(valid.renamed(members.path_of("request_id")));
  }
  return id;
}

/// `path` is where it is, empty for the body itself.
Result<CheckRequest> read_whole_check(const JsonDocument& body, const JsonNode& node, std::string_view path) {
  if (const std::optional<PlainCheck> plain = read_plain_check(body, node)) {
    return CheckRequest{.key = plain->key, .cost = plain->cost, .limit = {}, .dry_run = false, .request_id = {}};
  }
  Members members(body, node, path, {"key", "cost", "limit", "dry_run", "request_id"});
  CheckRequest request = read_check_members(body, members);
  if (members.status().ok()) request.dry_run = members.flag("dry_run");
  if (members.status().ok()) request.request_id = read_request_id(members);
  if (!members.status().ok()) return members.status();
  return request;
}

/// Keeps the limit that it carries in `limits`.
Result<CheckItem> read_item_object(const JsonDocument& body, const JsonNode& node, std::string_view path,
                                   std::vector<Limit>& limits) {
  Members members(body, node, path, {"key", "cost", "limit"});
  const CheckRequest request = read_check_members(body, members);
  if (!members.status().ok()) return members.status();
  if (request.limit && limits.empty()) limits.reserve(kMaxCheckAllItems);  // items point into it
  const Limit* limit = request.limit ? &limits.emplace_back(*request.limit) : nullptr;
  return CheckItem{.key = request.key, .cost = request.cost, .limit = limit};
}

Result<CheckItem> read_item_pair(const JsonDocument& body, const JsonNode& node, const std::string& path) {
  if (node.size < 1 || node.size > 2) {
    return Status(Code::kInvalidArgument,
                  path + " must contain a key and at most one cost, not " + std::to_string(node.size) + " values.");
  }
  CheckItem item;
  const JsonNode* key = body.first_child(node);
  Result<std::string_view> text = read_text(*key, path + "[0]");
  if (!text.ok()) return text.status();
  item.key = *text;
  if (node.size == 2) {
    Result<Units> cost = read_units(*body.sibling(*key), path + "[1]");
    if (!cost.ok()) return cost.status();
    item.cost = *cost;
  }
  return item;
}

Result<CheckItem> read_item(const JsonDocument& body, const JsonNode& node, const std::string& path,
                            std::vector<Limit>& limits) {
  std::string key_path = path;
  Result<CheckItem> item(CheckItem{});
  switch (node.kind) {
    case JsonNode::Kind::kObject:
      key_path += ".key";
      item = read_item_object(body, node, path, limits);
      break;
    case JsonNode::Kind::kArray:
      key_path += "[0]";
      item = read_item_pair(body, node, path);
      break;
    case JsonNode::Kind::kString:
      item->key = node.text;
      break;
    default:
      return Status(Code::kInvalidArgument, path + " must be an object, a key or an array of a key and a cost, not " +
                                                std::string(kind_name(node)) + ".");
  }
  if (!item.ok()) return item;
  if (Status valid = check_key(item->key, key_path); !valid.ok()) return valid;
  return item;
}

/// The `items` of one decision over several keys.
std::vector<CheckItem> read_items(const JsonDocument& body, Members& members, std::vector<Limit>& limits) {
  const JsonNode* array = members.any("items");
  if (array == nullptr) return {};
  if (array->kind != JsonNode::Kind::kArray) {
    members.fail(Status::of_field("items", "must be an array, not " + std::string(kind_name(*array)) + "."));
    return {};
  }
  if (array->size < 1 || array->size > kMaxCheckAllItems) {
    members.fail(Status::of_field("items", "must contain 1 to " + std::to_string(kMaxCheckAllItems) + " keys, not " +
                                               std::to_string(array->size) + "."));
    return {};
  }
  std::vector<CheckItem> items;
  items.reserve(array->size);
  const JsonNode* node = body.first_child(*array);
  for (std::uint32_t i = 0; i < array->size; ++i, node = body.sibling(*node)) {
    const Result<CheckItem> item = read_item(body, *node, "items[" + std::to_string(i) + "]", limits);
    if (!item.ok()) {
      members.fail(item.status());
      return {};
    }
    items.push_back(*item);
  }
  return items;
}

OnExpiry read_on_expiry(Members& members) {
  if (!members.has("on_expiry")) return OnExpiry::kKeep;
  const std::optional<OnExpiry> on_expiry = parse_on_expiry(members.text("on_expiry"));
  if (!on_expiry) members.fail(Status::of_field("on_expiry", "must be keep or return."));
  return on_expiry.value_or(OnExpiry::kKeep);
}

std::string_view read_reservation(Members& members) {
  const std::string_view id = members.text("reservation");
  if (members.status().ok()) members.fail(check_reservation_id(id));
  return id;
}

/// The costs of a commit by their keys. Whether the reservation holds them is the Limiter's to say.
std::vector<ActualCost> read_costs(const JsonDocument& body, Members& members) {
  const JsonNode* object = members.any("costs");
  if (object->kind != JsonNode::Kind::kObject || object->size > kMaxCheckAllItems) {
    members.fail(Status::of_field(
        "costs", "must be an object of at most " + std::to_string(kMaxCheckAllItems) + " keys with their costs."));
    return {};
  }
  std::vector<ActualCost> costs;
  costs.reserve(object->size);
  const JsonNode* node = object->size == 0 ? nullptr : body.first_child(*object);
  for (std::uint32_t i = 0; i < object->size; ++i, node = body.sibling(*node)) {
    if (Status valid = check_key(node->name, "a key of costs"); !valid.ok()) {
      members.fail(valid);
      return {};
    }
    if (node->kind != JsonNode::Kind::kUnsigned || node->integer > kMaxUnits) {
      members.fail(Status::of_field("costs", "must have integers from 0 to " + std::to_string(kMaxUnits) +
                                                 ", which the cost of " + base::shown(node->name) + " is not."));
      return {};
    }
    const auto is_same = [node](const ActualCost& other) { return other.key == node->name; };
    if (std::any_of(costs.begin(), costs.end(), is_same)) {
      members.fail(
          Status::of_field("costs", "must not have a key more than once, as " + base::shown(node->name) + "."));
      return {};
    }
    costs.push_back({.key = node->name, .cost = node->integer});
  }
  return costs;
}

/// What is wrong with a field of the object at `path`, which it may not name yet.
Status within(std::string_view path, const Status& wrong) {
  if (path.empty() || wrong.field().starts_with(path)) return wrong;
  return wrong.renamed(std::string(path) + "." + std::string(wrong.field()));
}

Result<LimitRequest> read_named_limit(const JsonDocument& body, const JsonNode& node, std::string_view path) {
  Members members(
      body, node, path,
      {"key", "limit", "windows", "rate", "per", "algorithm", "burst", "align", "timezone", "override", "mode"});
  LimitRequest request;
  if (members.status().ok()) request.key = members.text("key");
  if (members.status().ok()) request.limit = read_limit_members(body, members);
  if (members.status().ok()) request.options.overrides = members.flag("override");
  if (members.status().ok() && members.has("mode")) request.options.mode = read_mode(members);
  if (!members.status().ok()) return within(path, members.status());
  return request;
}

Result<std::string_view> read_one_text(const JsonDocument& body, std::string_view name) {
  Members members(body, body.root(), "", {name});
  const std::string_view text = members.status().ok() ? members.text(name) : std::string_view();
  if (!members.status().ok()) return members.status();
  return text;
}

}  // namespace

Result<CheckRequest> read_check(const JsonDocument& body) { return read_whole_check(body, body.root(), ""); }

Result<CheckBatchRequest> read_check_batch(const JsonDocument& body) {
  Members members(body, body.root(), "", {"checks"});
  if (!members.status().ok()) return members.status();
  const JsonNode* array = members.any("checks");
  if (array == nullptr) return members.status();
  if (array->kind != JsonNode::Kind::kArray) {
    return Status(Code::kInvalidArgument, "checks must be an array, not " + std::string(kind_name(*array)) + ".");
  }
  if (array->size > kMaxBatchChecks) {
    return Status(Code::kInvalidArgument, "checks must contain at most " + std::to_string(kMaxBatchChecks) +
                                              " checks, not " + std::to_string(array->size) + ".");
  }
  CheckBatchRequest request;
  request.checks.reserve(array->size);
  const JsonNode* node = array->size == 0 ? nullptr : body.first_child(*array);
  for (std::uint32_t i = 0; i < array->size; ++i, node = body.sibling(*node)) {
    const std::string path = "checks[" + std::to_string(i) + "]";
    const Result<CheckRequest> check = read_whole_check(body, *node, path);
    if (!check.ok() || !validate_key(check->key).ok()) {
      request.checks.emplace_back(check.ok() ? check_key(check->key, path + ".key") : check.status());
      continue;
    }
    if (check->limit && request.limits.empty()) request.limits.reserve(array->size);  // checks point into it
    const Limit* limit = check->limit ? &request.limits.emplace_back(*check->limit) : nullptr;
    request.checks.emplace_back(BatchCheck{.key = check->key,
                                           .cost = check->cost,
                                           .limit = limit,
                                           .dry_run = check->dry_run,
                                           .request_id = check->request_id});
  }
  return request;
}

Result<CheckAllRequest> read_check_all(const JsonDocument& body) {
  Members members(body, body.root(), "", {"items", "dry_run", "request_id"});
  CheckAllRequest request;
  if (members.status().ok()) request.dry_run = members.flag("dry_run");
  if (members.status().ok()) request.request_id = read_request_id(members);
  if (members.status().ok()) request.items = read_items(body, members, request.limits);
  if (!members.status().ok()) return members.status();
  return request;
}

Result<CheckRequest> read_charge(const JsonDocument& body) {
  Members members(body, body.root(), "", {"key", "cost", "limit", "request_id"});
  CheckRequest request = read_check_members(body, members);
  if (members.status().ok() && !members.has("cost")) members.fail(Status::of_field("cost", "is missing."));
  if (members.status().ok()) request.request_id = read_request_id(members);
  if (!members.status().ok()) return members.status();
  return request;
}

Result<ReserveRequest> read_reserve(const JsonDocument& body) {
  Members members(body, body.root(), "", {"items", "ttl", "on_expiry", "request_id"});
  ReserveRequest request;
  if (members.status().ok()) request.items = read_items(body, members, request.limits);
  if (members.status().ok()) request.options.on_expiry = read_on_expiry(members);
  if (members.status().ok()) request.options.request_id = read_request_id(members);
  if (members.status().ok()) request.options.ttl = read_period(members, "ttl");
  if (!members.status().ok()) return members.status();
  return request;
}

Result<CommitRequest> read_commit(const JsonDocument& body) {
  Members members(body, body.root(), "", {"reservation", "costs"});
  CommitRequest request;
  if (members.status().ok()) request.reservation = read_reservation(members);
  if (members.status().ok() && members.has("costs")) request.costs = read_costs(body, members);
  if (!members.status().ok()) return members.status();
  return request;
}

Result<std::string_view> read_cancel(const JsonDocument& body) {
  Members members(body, body.root(), "", {"reservation"});
  const std::string_view reservation = members.status().ok() ? read_reservation(members) : std::string_view();
  if (!members.status().ok()) return members.status();
  return reservation;
}

Result<RenewRequest> read_renew(const JsonDocument& body) {
  Members members(body, body.root(), "", {"reservation", "ttl"});
  RenewRequest request;
  if (members.status().ok()) request.reservation = read_reservation(members);
  if (members.status().ok()) request.ttl = read_period(members, "ttl");
  if (!members.status().ok()) return members.status();
  return request;
}

Status check_reservation_id(std::string_view id) {
  constexpr std::size_t kDigits = 32;
  if (id.size() == kDigits && id.find_first_not_of("0123456789abcdef") == std::string_view::npos) return {};
  return Status::of_field("reservation", "must be the id of one: 32 hexadecimal digits.");
}

Result<LimitRequest> read_limit(const JsonDocument& body) { return read_named_limit(body, body.root(), ""); }

Result<ApplyRequest> read_apply(const JsonDocument& body) {
  Members members(body, body.root(), "", {"limits", "prune", "dry_run"});
  ApplyRequest request;
  if (members.status().ok()) request.prune = members.flag("prune");
  if (members.status().ok()) request.dry_run = members.flag("dry_run");
  const JsonNode* array = members.status().ok() ? members.any("limits") : nullptr;
  if (array == nullptr) return members.status();
  if (array->kind != JsonNode::Kind::kArray) {
    return Status::of_field("limits", "must be an array, not " + std::string(kind_name(*array)) + ".");
  }
  if (array->size > kMaxLimitsAtOnce) {
    return Status::of_field(
        "limits", "must be at most " + std::to_string(kMaxLimitsAtOnce) + ", not " + std::to_string(array->size) + ".");
  }
  request.limits.reserve(array->size);
  const JsonNode* node = array->size == 0 ? nullptr : body.first_child(*array);
  for (std::uint32_t i = 0; i < array->size; ++i, node = body.sibling(*node)) {
    const Result<LimitRequest> limit = read_named_limit(body, *node, "limits[" + std::to_string(i) + "]");
    if (!limit.ok()) return limit.status();
    request.limits.push_back({limit->key, limit->limit, limit->options});
  }
  return request;
}

Result<std::string_view> read_reset(const JsonDocument& body) { return read_one_text(body, "key"); }

Result<std::string_view> read_reset_prefix(const JsonDocument& body) {
  Result<std::string_view> prefix = read_one_text(body, "prefix");
  if (prefix.ok() && prefix->empty()) {
    return Status::of_field("prefix", "must not be empty: that would be every limit and every key.");
  }
  return prefix;
}

Status read_nothing(const JsonDocument& body) { return Members(body, body.root(), "", {}).status(); }

}  // namespace flint::api
