#include "api/gate.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "api/decision_fields.h"
#include "api/errors.h"
#include "api/member_name.h"
#include "api/url.h"
#include "base/assert.h"
#include "base/invalid.h"

namespace flint::api {
namespace {

using base::invalid;
using Part = GateKey::Part;

constexpr std::string_view kHeaderWord = "header:";

Response decided(int status) {
  Response response;
  response.status = status;
  response.by_gate = true;
  return response;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

/// Of what stands between two braces.
std::optional<Part> parse_placeholder(std::string_view word) {
  if (word == "client") return Part{Part::Kind::kClient, {}};
  if (!word.starts_with(kHeaderWord)) return std::nullopt;
  std::string name = in_lower_case(word.substr(kHeaderWord.size()));
  if (!is_field_name(name)) return std::nullopt;
  return Part{Part::Kind::kHeader, std::move(name)};
}

Result<std::uint64_t> read_number(std::string_view name, std::string_view text, std::uint64_t least,
                                  std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) return value;
  return Status::of_field(name, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most) +
                                    ", not " + base::shown(text) + ".");
}

std::optional<std::string> decoded(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decode(spaced);
}

/// Reads the query of `/v1/gate`, argument by argument.
class QueryReader {
 public:
  Status take(std::string_view name, std::string_view text) {
    // Whoever chooses the key chooses its escapes as well, where the proxy passes on what a client sent.
    if (name == "key") {
      has_key_ = true;
      request.add_key(decoded(text));
      return {};
    }
    const std::optional<std::string> value = decoded(text);
    if (name == "cost") return value ? take_cost(*value) : bad_escape(name);
    if (name == "limit") return value ? take_limit(*value) : bad_escape(name);
    if (name == "deny_status") return value ? take_deny_status(*value) : bad_escape(name);
    return invalid("The query argument " + shown_member_name(name) + " is not an argument of this request.");
  }
  Status finish() const {
    if (has_key_) return {};
    return Status::of_field("key", "is missing: give it in the query, such as /v1/gate?key=ip:192.0.2.1.");
  }

  GateRequest request;

 private:
  static Status bad_escape(std::string_view name) {
    return Status::of_field(name, "contains a '%' without two hexadecimal digits after it.");
  }
  static Status once(std::string_view name, bool& seen) {
    return std::exchange(seen, true) ? Status::of_field(name, "appears more than once in the query.") : Status();
  }
  Status take_cost(std::string_view text) {
    if (Status first = once("cost", has_cost_); !first.ok()) return first;
    const Result<std::uint64_t> cost = read_number("cost", text, 1, kMaxUnits);
    if (cost.ok()) request.cost = *cost;
    return cost.status();
  }
  Status take_limit(std::string_view text) {
    if (request.limit) return Status::of_field("limit", "appears more than once in the query.");
    Result<Limit> limit = parse_limit(text);
    if (limit.ok()) request.limit = std::move(*limit);
    return limit.status();
  }
  Status take_deny_status(std::string_view text) {
    if (Status first = once("deny_status", has_deny_status_); !first.ok()) return first;
    const Result<std::uint64_t> status = read_number("deny_status", text, kLeastDenyStatus, kMostDenyStatus);
    if (status.ok()) request.statuses.deny = static_cast<int>(*status);
    return status.status();
  }

  bool has_key_ = false;
  bool has_cost_ = false;
  bool has_deny_status_ = false;
};

}  // namespace

Result<GateKey> GateKey::parse(std::string_view text) {
  GateKey key;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t brace = rest.find_first_of("{}");
    if (brace != 0) key.parts_.push_back({Part::Kind::kText, std::string(rest.substr(0, brace))});
    if (brace == std::string_view::npos) break;
    const std::size_t end = rest.find('}', brace);
    std::optional<Part> part;
    if (rest[brace] == '{' && end != std::string_view::npos) {
      part = parse_placeholder(rest.substr(brace + 1, end - brace - 1));
    }
    if (!part) {
      return Status::of_field(
          "key", "can have {client} and {header:NAME} in it, and no other braces, such as \"ip:{client}\".");
    }
    key.parts_.push_back(*std::move(part));
    rest.remove_prefix(end + 1);
  }
  // With the shortest values: a template that never gives a key is a mistake.
  std::string shortest;
  for (const Part& part : key.parts_) shortest += part.kind == Part::Kind::kText ? part.text : "-";
  if (Status valid = validate_key(shortest); !valid.ok()) return valid;
  if (is_pattern(shortest)) return Status::of_field("key", "must not end in \"*\": such a name is a pattern's.");
  return key;
}

std::optional<std::string> GateKey::fill(const std::function<std::optional<std::string>(const Part&)>& value_of) const {
  std::string key;
  for (const Part& part : parts_) {
    if (part.kind == Part::Kind::kText) {
      key += part.text;
      continue;
    }
    const std::optional<std::string> value = value_of(part);
    if (!value || value->size() > kMaxKeyBytes) return std::nullopt;
    key += *value;
  }
  return key;
}

void GateRequest::add_key(std::optional<std::string> key) {
  if (!key || is_pattern(*key) || !validate_key(*key).ok()) {
    has_wrong_key = true;
  } else if (std::find(keys.begin(), keys.end(), *key) == keys.end()) {
    keys.push_back(*std::move(key));
  }
}

Result<GateRequest> read_gate(std::string_view query) {
  QueryReader reader;
  while (!query.empty()) {
    const std::string_view argument = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(argument.size() + 1, query.size()));
    const std::size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const bool has_value = equals != std::string_view::npos;
    if (Status status = reader.take(name, has_value ? argument.substr(equals + 1) : ""); !status.ok()) return status;
  }
  if (Status status = reader.finish(); !status.ok()) return status;
  if (reader.request.keys.size() > kMaxCheckAllItems) {
    return Status::of_field("key", "must appear at most " + std::to_string(kMaxCheckAllItems) + " times.");
  }
  return std::move(reader.request);
}

std::optional<Response> submit_gate(const GateRequest& request, backend::Queue& queue, backend::Asker& asker,
                                    std::uint64_t number) {
  if (request.has_wrong_key) return decided(request.statuses.deny);
  const Limit* limit = request.limit ? &*request.limit : nullptr;
  if (request.keys.size() == 1) {
    queue.submit(backend::Check{.key = request.keys.front(), .cost = request.cost, .limit = limit}, asker, number);
    return std::nullopt;
  }
  std::vector<CheckItem> items;
  items.reserve(request.keys.size());
  for (const std::string& key : request.keys) items.push_back({.key = key, .cost = request.cost, .limit = limit});
  queue.submit(backend::CheckAll{.items = items}, asker, number);
  return std::nullopt;
}

Response gate_response(const backend::Answer& answer, const GateStatuses& statuses) {
  if (const auto* failed = std::get_if<Status>(&answer)) return failure_response(*failed);
  const auto* one = std::get_if<Decision>(&answer);
  const auto* all = std::get_if<CheckAllResult>(&answer);
  FLINT_ASSERT(one != nullptr || all != nullptr);
  Response response = decided((one != nullptr ? one->allowed : all->allowed) ? statuses.allow : statuses.deny);
  append_decision_fields(response.fields, answer);
  return response;
}

}  // namespace flint::api
