#include "cli/answers.h"

#include <algorithm>
#include <array>
#include <functional>
#include <span>

#include "flint/decision.h"
#include "flint/limit.h"

namespace flint::cli {
namespace {

/// Of history and of top, as their help says.
constexpr std::uint64_t kDefaultEvents = 100;
constexpr std::uint64_t kDefaultKeys = 20;

bool is_text(const json::value& value) { return value.is_string(); }
bool is_text_or_null(const json::value& value) { return value.is_string() || value.is_null(); }
bool is_truth(const json::value& value) { return value.is_bool(); }
bool is_count(const json::value& value) { return unsigned_of(value).has_value(); }
bool is_count_or_null(const json::value& value) { return is_count(value) || value.is_null(); }

struct Field {
  std::string_view name;
  bool (*fits)(const json::value&);
};

constexpr std::array kRule = std::to_array<Field>(
    {{"rate", is_count}, {"per_millis", is_count_or_null}, {"burst", is_count_or_null}, {"algorithm", is_text}});

// A limit that lets nothing pass has no time after which to try again.
constexpr std::array kDecision = std::to_array<Field>({{"key", is_text},
                                                       {"allowed", is_truth},
                                                       {"cost", is_count},
                                                       {"limit", is_count},
                                                       {"remaining", is_count},
                                                       {"reset_at", is_text},
                                                       {"reset_after_ms", is_count},
                                                       {"retry_after_ms", is_count_or_null},
                                                       {"algorithm", is_text}});

constexpr std::array kStatus = std::to_array<Field>({{"key", is_text},
                                                     {"remaining", is_count},
                                                     {"reset_at", is_text},
                                                     {"total_allowed", is_count},
                                                     {"total_denied", is_count},
                                                     {"total_allowed_cost", is_count},
                                                     {"total_denied_cost", is_count},
                                                     {"last_allowed_at", is_text_or_null},
                                                     {"last_denied_at", is_text_or_null},
                                                     {"last_reset_at", is_text_or_null}});

constexpr std::array kEvent = std::to_array<Field>(
    {{"seq", is_count}, {"at", is_text}, {"kind", is_text}, {"cost", is_count}, {"count", is_count}});

constexpr std::array kReport = std::to_array<Field>({{"ok", is_truth},
                                                     {"data_dir", is_text},
                                                     {"limits", is_count},
                                                     {"aof_bytes", is_count},
                                                     {"snapshot_exists", is_truth},
                                                     {"snapshot_bytes", is_count},
                                                     {"last_seq", is_count},
                                                     {"durable_seq", is_count},
                                                     {"failed", is_truth},
                                                     {"degraded", is_truth}});

constexpr std::array kFinding = std::to_array<Field>({{"fatal", is_truth}, {"message", is_text}});

constexpr std::array kFile = std::to_array<Field>({{"name", is_text},
                                                   {"kind", is_text},
                                                   {"bytes", is_count},
                                                   {"first_seq", is_count},
                                                   {"last_seq", is_count},
                                                   {"records", is_count},
                                                   {"valid_bytes", is_count}});

/// The first complaint about the members of an object.
Complaint judge_members(const json::value& value, std::span<const Field> fields) {
  const json::object* object = value.if_object();
  if (object == nullptr) return "is not an object";
  for (const Field& field : fields) {
    const json::value* found = object->if_contains(field.name);
    if (found == nullptr) return "has no \"" + std::string(field.name) + "\"";
    if (!field.fits(*found)) return "has a \"" + std::string(field.name) + "\" of the wrong type";
  }
  return std::nullopt;
}

/// The first complaint about the elements of an array, of which at most `most` may be there.
Complaint judge_elements(const json::value& value, std::uint64_t most,
                         const std::function<Complaint(const json::value&)>& judge) {
  const json::array* array = value.if_array();
  if (array == nullptr) return "is not an array";
  if (array->size() > most) return "has more elements than were asked for";
  for (std::size_t i = 0; i < array->size(); ++i) {
    if (const Complaint wrong = judge((*array)[i])) return "has an element " + std::to_string(i) + " that " + *wrong;
  }
  return std::nullopt;
}

std::string_view text_of(const json::value& value) {
  const json::string* text = value.if_string();
  return text == nullptr ? std::string_view() : std::string_view(text->data(), text->size());
}

/// At most how many elements were asked for; `otherwise` is what the API takes for no number.
std::uint64_t most_of(const json::object& asked, std::uint64_t otherwise) {
  return unsigned_of(member(asked, "limit")).value_or(otherwise);
}

Complaint judge_status_members(const json::value& value) {
  if (Complaint wrong = judge_members(value, kStatus)) return wrong;
  return judge_members(value, kRule);
}

Complaint judge_event(const json::value& value) {
  if (Complaint wrong = judge_members(value, kEvent)) return wrong;
  if (member(value, "kind") != "configured") return std::nullopt;
  return judge_members(value, kRule);
}

}  // namespace

Complaint judge_done(const json::value& answer, const json::object& /*asked*/) {
  if (member(answer, "ok") == true) return std::nullopt;
  return "does not say that it was done";
}

Complaint judge_reset_count(const json::value& answer, const json::object& /*asked*/) {
  constexpr std::array kFields = std::to_array<Field>({{"reset", is_count}});
  return judge_members(answer, kFields);
}

Complaint judge_deleted_count(const json::value& answer, const json::object& /*asked*/) {
  constexpr std::array kFields = std::to_array<Field>({{"deleted", is_count}});
  return judge_members(answer, kFields);
}

Complaint judge_changes(const json::value& answer, const json::object& /*asked*/) {
  constexpr std::array kFields = std::to_array<Field>({{"unchanged", is_count}});
  if (Complaint wrong = judge_members(answer, kFields)) return wrong;
  const Complaint wrong = judge_elements(member(answer, "changes"), UINT64_MAX, [](const json::value& change) {
    constexpr std::array kKey = std::to_array<Field>({{"key", is_text}});
    if (Complaint unnamed = judge_members(change, kKey)) return unnamed;
    for (const std::string_view side : {"before", "after"}) {
      const json::value& setting = member(change, side);
      if (setting.is_null()) continue;
      if (Complaint odd = judge_members(setting, kRule)) return odd;
    }
    return Complaint();
  });
  return wrong ? "has \"changes\" that " + *wrong : Complaint();
}

Complaint judge_report(const json::value& answer, const json::object& /*asked*/) {
  if (Complaint wrong = judge_members(answer, kReport)) return wrong;
  const auto all = [&](std::string_view name, std::span<const Field> fields) -> Complaint {
    const Complaint wrong = judge_elements(member(answer, name), UINT64_MAX, [fields](const json::value& element) {
      return judge_members(element, fields);
    });
    return wrong ? "has \"" + std::string(name) + "\" that " + *wrong : Complaint();
  };
  if (Complaint wrong = all("findings", kFinding)) return wrong;
  return all("files", kFile);
}

Complaint judge_decision(const json::value& answer, const json::object& asked) {
  if (Complaint wrong = judge_members(answer, kDecision)) return wrong;
  if (member(answer, "key") != asked.at("key")) return "is about another key";
  if (unsigned_of(member(answer, "cost")) != unsigned_of(member(asked, "cost")).value_or(1)) {
    return "is about another cost";
  }
  return std::nullopt;
}

Complaint judge_check_all(const json::value& answer, const json::object& asked) {
  constexpr std::array kFields = std::to_array<Field>({{"allowed", is_truth}, {"denied_key", is_text_or_null}});
  if (Complaint wrong = judge_members(answer, kFields)) return wrong;
  const json::array& items = asked.at("items").as_array();
  const json::array* results = member(answer, "results").if_array();
  if (results == nullptr || results->empty() || results->size() > items.size()) {
    return "does not have the \"results\" that were asked for";
  }
  for (std::size_t i = 0; i < results->size(); ++i) {
    if (const Complaint wrong = judge_decision((*results)[i], items[i].as_object())) {
      return "has a result " + std::to_string(i) + " that " + *wrong;
    }
  }
  // All pass, or all but the last of those that were decided.
  const bool allowed = member(answer, "allowed").get_bool();
  const auto passed = [](const json::value& decision) { return member(decision, "allowed").get_bool(); };
  const bool agree = std::all_of(results->begin(), results->end() - 1, passed) && passed(results->back()) == allowed;
  const json::value& denied_key = member(answer, "denied_key");
  const bool named =
      allowed ? denied_key.is_null() && results->size() == items.size() : denied_key == member(results->back(), "key");
  if (!agree || !named) return "contradicts itself";
  return std::nullopt;
}

Complaint judge_check_batch(const json::value& answer, const json::object& asked) {
  constexpr std::array kFailure = std::to_array<Field>({{"error", is_text}, {"code", is_text}});
  const json::array& checks = asked.at("checks").as_array();
  const json::array* results = member(answer, "results").if_array();
  if (results == nullptr || results->size() != checks.size())
    return "does not have the \"results\" that were asked for";
  for (std::size_t i = 0; i < results->size(); ++i) {
    const json::value& result = (*results)[i];
    const bool failed = !member(result, "error").is_null();
    const Complaint wrong = failed ? judge_members(result, kFailure) : judge_decision(result, checks[i].as_object());
    if (wrong) return "has a result " + std::to_string(i) + " that " + *wrong;
  }
  return std::nullopt;
}

Complaint judge_reserve(const json::value& answer, const json::object& asked) {
  constexpr std::array kFields =
      std::to_array<Field>({{"reservation", is_text_or_null}, {"expires_at", is_text_or_null}});
  if (Complaint wrong = judge_check_all(answer, asked)) return wrong;
  if (Complaint wrong = judge_members(answer, kFields)) return wrong;
  const bool allowed = member(answer, "allowed").get_bool();
  const bool reserved = member(answer, "reservation").is_string() && member(answer, "expires_at").is_string();
  const bool nothing = member(answer, "reservation").is_null() && member(answer, "expires_at").is_null();
  return (allowed ? reserved : nothing) ? Complaint() : "contradicts itself";
}

Complaint judge_settlement(const json::value& answer, const json::object& asked) {
  if (Complaint wrong = judge_done(answer, asked)) return wrong;
  const json::object* costs = member(asked, "costs").if_object();
  std::size_t asked_for = 0;
  const Complaint wrong =
      judge_elements(member(answer, "results"), kMaxCheckAllItems, [&](const json::value& decision) -> Complaint {
        if (Complaint odd = judge_members(decision, kDecision)) return odd;
        const json::value* cost = costs == nullptr ? nullptr : costs->if_contains(text_of(member(decision, "key")));
        if (cost == nullptr) return std::nullopt;
        ++asked_for;
        return unsigned_of(*cost) == unsigned_of(member(decision, "cost")) ? Complaint() : "is about another cost";
      });
  if (wrong) return "has \"results\" that " + *wrong;
  return asked_for == (costs == nullptr ? 0 : costs->size()) ? Complaint() : "lacks a key that was asked about";
}

Complaint judge_reservation(const json::value& answer, const json::object& asked) {
  constexpr std::array kFields = std::to_array<Field>({{"reservation", is_text},
                                                       {"state", is_text},
                                                       {"reserved_at", is_text},
                                                       {"expires_at", is_text},
                                                       {"on_expiry", is_text},
                                                       {"settled_at", is_text_or_null}});
  constexpr std::array kItem = std::to_array<Field>({{"key", is_text}, {"cost", is_count}});
  if (Complaint wrong = judge_members(answer, kFields)) return wrong;
  const json::value& id = asked.contains("id") ? member(asked, "id") : member(asked, "reservation");
  if (member(answer, "reservation") != id) return "is about another reservation";
  const Complaint wrong = judge_elements(member(answer, "items"), kMaxCheckAllItems,
                                         [&](const json::value& item) { return judge_members(item, kItem); });
  return wrong ? "has \"items\" that " + *wrong : Complaint();
}

Complaint judge_status(const json::value& answer, const json::object& asked) {
  if (Complaint wrong = judge_status_members(answer)) return wrong;
  return member(answer, "key") == asked.at("key") ? Complaint() : "is about another key";
}

Complaint judge_ranking(const json::value& answer, const json::object& asked) {
  return judge_elements(answer, most_of(asked, kDefaultKeys), judge_status_members);
}

Complaint judge_events(const json::value& answer, const json::object& asked) {
  return judge_elements(answer, most_of(asked, kDefaultEvents), judge_event);
}

/// The order of the keys is checked, too: the next page begins after the last key of this one, so a server that
/// repeated a page would keep the command busy for ever.
Complaint judge_page(const json::value& answer, const json::object& asked) {
  const std::string_view prefix = text_of(member(asked, "prefix"));
  std::string_view last = text_of(member(asked, "after"));
  return judge_elements(answer, most_of(asked, UINT64_MAX), [&](const json::value& status) -> Complaint {
    if (Complaint wrong = judge_status_members(status)) return wrong;
    const std::string_view key = text_of(member(status, "key"));
    if (!key.starts_with(prefix)) return "has a key without the prefix";
    if (key <= last) return "has a key out of order";
    last = key;
    return std::nullopt;
  });
}

}  // namespace flint::cli
