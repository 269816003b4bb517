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
