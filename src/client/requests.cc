#include "client/requests.h"

#include "base/json_writer.h"
#include "base/utf8.h"

namespace flint::client {
namespace {

using base::JsonWriter;

Status write_limit(JsonWriter& json, const Limit& limit) {
  if (Status status = validate_limit(limit); !status.ok()) return status;
  json.member<"limit">(format_limit(limit));
  return {};
}

Status write_key(JsonWriter& json, std::string_view key, Units cost) {
  if (Status status = validate_key(key); !status.ok()) return status;
  json.member<"key">(key);
  json.member<"cost">(cost);
  return {};
}

Status write_request_id(JsonWriter& json, std::string_view id) {
  if (id.empty()) return {};
  if (Status status = validate_request_id(id); !status.ok()) return status;
  json.member<"request_id">(id);
  return {};
}

Status write_check(JsonWriter& json, const BatchCheck& check) {
  json.begin_object();
  Status status = write_key(json, check.key, check.cost);
  if (status.ok() && check.limit != nullptr) status = write_limit(json, *check.limit);
  if (check.dry_run) json.member<"dry_run">(true);
  if (status.ok()) status = write_request_id(json, check.request_id);
  json.end_object();
  return status;
}

Status write_item(JsonWriter& json, const CheckItem& item) {
  json.begin_object();
  Status status = write_key(json, item.key, item.cost);
  if (status.ok() && item.limit != nullptr) status = write_limit(json, *item.limit);
  json.end_object();
  return status;
}

/// As a duration in text, which has no fractions.
Status write_ttl(JsonWriter& json, Nanos ttl) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(ttl);
  if (millis != ttl || ttl < kMinReservationTtl || ttl > kMaxReservationTtl) {
    return Status::of_field("ttl", "must be a whole number of milliseconds, from 1ms to 366d.");
  }
  json.member<"ttl">(std::to_string(millis.count()) + "ms");
  return {};
}

Status write_reservation(JsonWriter& json, std::string_view id) {
  if (!base::is_printable_ascii(id)) {
    return Status::of_field("reservation", "must be the id of one: 32 hexadecimal digits.");
  }
  json.member<"reservation">(id);
  return {};
}

/// The names of the members are keys.
Status write_costs(std::string& body, std::span<const ActualCost> costs) {
  body += '{';
  for (const ActualCost& cost : costs) {
    if (Status status = validate_key(cost.key); !status.ok()) return status.renamed("a key of costs");
    if (body.back() != '{') body += ',';
    JsonWriter(body).value(cost.key);
    body.append(":").append(std::to_string(cost.cost));
  }
  body += '}';
  return {};
}

/// `key` as a field of the element at `index`: what is wrong is said of `items[3].key`.
Status within(const Status& wrong, std::string_view array, std::size_t index) {
  if (wrong.field().empty()) return wrong;
  return wrong.renamed(std::string(array) + "[" + std::to_string(index) + "]." + std::string(wrong.field()));
}

template <typename Elements, typename Write>
Status write_array(JsonWriter& json, std::string_view name, const Elements& elements, const Write& write) {
  json.begin_array();
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (Status status = write(json, elements[i]); !status.ok()) return within(status, name, i);
  }
  json.end_array();
  return {};
}

}  // namespace

Result<std::string> check_body(const BatchCheck& check) {
  std::string body;
  JsonWriter json(body);
  if (Status status = write_check(json, check); !status.ok()) return status;
  return body;
}

Result<std::string> check_all_body(std::span<const CheckItem> items, const CheckAllOptions& options) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.name<"items">();
  if (Status status = write_array(json, "items", items, write_item); !status.ok()) return status;
  if (options.dry_run) json.member<"dry_run">(true);
  if (Status status = write_request_id(json, options.request_id); !status.ok()) return status;
  json.end_object();
  return body;
}

Result<std::string> check_batch_body(std::span<const BatchCheck> checks) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.name<"checks">();
  if (Status status = write_array(json, "checks", checks, write_check); !status.ok()) return status;
  json.end_object();
  return body;
}

Result<std::string> charge_body(std::string_view key, Units cost, const ChargeOptions& options) {
  return check_body({.key = key,
                     .cost = cost,
                     .limit = options.limit ? &*options.limit : nullptr,
                     .dry_run = false,
                     .request_id = options.request_id});
}

Result<std::string> reserve_body(std::span<const CheckItem> items, const ReserveOptions& options) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.name<"items">();
  if (Status status = write_array(json, "items", items, write_item); !status.ok()) return status;
  if (Status status = write_ttl(json, options.ttl); !status.ok()) return status;
  json.member<"on_expiry">(on_expiry_name(options.on_expiry));
  if (Status status = write_request_id(json, options.request_id); !status.ok()) return status;
  json.end_object();
  return body;
}

Result<std::string> commit_body(std::string_view reservation, std::span<const ActualCost> costs) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (Status status = write_reservation(json, reservation); !status.ok()) return status;
  json.name<"costs">();
  if (Status status = write_costs(body, costs); !status.ok()) return status;
  body += '}';
  return body;
}

Result<std::string> cancel_body(std::string_view reservation) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (Status status = write_reservation(json, reservation); !status.ok()) return status;
  json.end_object();
  return body;
}

Result<std::string> renew_body(std::string_view reservation, Nanos ttl) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (Status status = write_reservation(json, reservation); !status.ok()) return status;
  if (Status status = write_ttl(json, ttl); !status.ok()) return status;
  json.end_object();
  return body;
}

Result<std::string> limit_body(std::string_view key, const Limit& limit, const LimitOptions& options) {
  std::string body;
  JsonWriter json(body);
  if (Status status = validate_key(key); !status.ok()) return status;
  json.begin_object();
  json.member<"key">(key);
  if (Status status = write_limit(json, limit); !status.ok()) return status;
  json.member<"mode">(mode_name(options.mode));
  if (options.overrides) json.member<"override">(true);
  json.end_object();
  return body;
}

Result<std::string> key_body(std::string_view key) {
  if (Status status = validate_key(key); !status.ok()) return status;
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.member<"key">(key);
  json.end_object();
  return body;
}

Result<std::string> prefix_body(std::string_view prefix) {
  if (!base::is_valid_utf8(prefix)) return Status::of_field("prefix", "must be valid UTF-8.");
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.member<"prefix">(prefix);
  json.end_object();
  return body;
}

Result<std::string> key_path(std::string_view before, std::string_view key) {
  if (Status status = validate_key(key); !status.ok()) return status;
  return std::string(before) + percent_encoded(key);
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    // Dots as well: a key of dots would be a step in the path to whatever stands between.
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 0xfU];
  }
  return out;
}

}  // namespace flint::client
