#include "cli/render.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "cli/render_parts.h"
#include "cli/requests.h"
#include "flint/limit.h"

namespace flint::cli {
namespace {

using Align = Table::Align;

/// The rate string of one window.
std::string window_rule_of(const json::value& status) {
  const auto rate = unsigned_of(member(status, "rate"));
  const auto millis = unsigned_of(member(status, "per_millis"));
  if (const auto align = parse_align(shown(member(status, "align"))); align && rate) {
    Limit limit{.rate = *rate, .algorithm = Algorithm::kFixedWindowCounter, .align = *align};
    if (const std::string timezone = shown(member(status, "timezone")); timezone != "UTC") limit.timezone = timezone;
    return format_limit(limit);
  }
  if (!rate || !millis || *millis > static_cast<std::uint64_t>(kMaxPeriod / std::chrono::milliseconds(1))) return "-";
  const std::string algorithm = shown(member(status, "algorithm"));
  const auto known = parse_algorithm(algorithm);
  Limit limit{.rate = *rate, .per = std::chrono::milliseconds(*millis)};
  limit.algorithm = known.value_or(Algorithm::kTokenBucket);
  if (const auto burst = unsigned_of(member(status, "burst")); burst != rate) limit.burst = burst;
  const json::value& mode = member(status, "mode");
  const bool is_enforced = mode.is_null() || mode == "enforce";
  // A newer server may have more algorithms and modes.
  return format_limit(limit) + (known ? "" : " " + algorithm) + (is_enforced ? "" : ", " + shown(mode));
}

/// The rate string of a status or an event, with the burst when it is not the rate: `100/m burst 150, 2000/h`.
std::string rule_of(const json::value& status) {
  const json::array& windows = elements(member(status, "windows"));
  if (windows.empty()) return window_rule_of(status);
  std::string text;
  for (const json::value& window : windows) text += (text.empty() ? "" : ", ") + window_rule_of(window);
  return text;
}

std::string count_and_units(const json::value& status, std::string_view what) {
  const std::string total = "total_" + std::string(what);
  return shown(member(status, total)) + " (" + shown(member(status, total + "_cost")) + " units), last " +
         shown(member(status, "last_" + std::string(what) + "_at"));
}

/// Where a limit comes from that was not set for this name.
std::string source_of(const json::value& status) {
  const json::value& source = member(status, "source");
  if (source == "pattern") return "pattern " + quoted(member(status, "pattern"));
  if (source == "file") return "the server's limits file";
  return source == "carried" ? "the last check, which carried it" : "";
}

/// Members under names for people: spaces instead of underscores, and "log" where the API's name is from the original.
Fact doctor_fact(std::string_view name, const json::value& value) {
  constexpr std::string_view kBytes = "_bytes";
  Fact fact{name == "aof_bytes" ? "log_bytes" : printable(name), shown(value)};
  if (const auto bytes = unsigned_of(value); bytes && name.ends_with(kBytes)) fact.value = bytes_text(*bytes);
  std::replace(fact.name.begin(), fact.name.end(), '_', ' ');
  return fact;
}

std::string findings_text(const json::array& findings, const Style& style) {
  std::string text;
  for (const json::value& finding : findings) {
    const bool fatal = is_true(member(finding, "fatal"));
    text += (fatal ? style.red("fatal: ") : style.yellow("notice: ")) + shown(member(finding, "message")) + "\n";
  }
  return text;
}

std::string files_text(const json::array& files, const Style& style) {
  Table table({{"FILE"},
               {"KIND"},
               {"BYTES", Align::kRight},
               {"VALID", Align::kRight},
               {"RECORDS", Align::kRight},
               {"FIRST", Align::kRight},
               {"LAST", Align::kRight}});
  for (const json::value& file : files) {
    const json::value& kind = member(file, "kind");
    const bool has_valid_end = kind == "log";
    const bool has_records = has_valid_end || kind == "snapshot";
    const auto number = [&file](bool is_known, const char* name) { return is_known ? shown(member(file, name)) : "-"; };
    table.add({shown(member(file, "name")), shown(kind), shown(member(file, "bytes")),
               number(has_valid_end, "valid_bytes"), number(has_records, "records"), number(has_records, "first_seq"),
               number(has_records, "last_seq")});
  }
  return files.empty() ? "" : "\n" + table.text(style);
}

}  // namespace

Shown render_limit_set(const json::value& /*answer*/, const json::object& asked, const Style& /*style*/) {
  const Result<Limit> limit = limit_in(asked);
  const json::value& mode = member(asked, "mode");
  const std::string in_mode = mode.is_null() || mode == "enforce" ? "" : ", " + shown(mode);
  return {shown(member(asked, "key")) + ": " + (limit.ok() ? format_limit(*limit) : "-") + in_mode + "\n"};
}

Shown render_changes(const json::value& answer, const json::object& asked, const Style& style) {
  const auto text_of = [](const json::value& setting) {
    return rule_of(setting) + (is_true(member(setting, "override")) ? " override" : "");
  };
  std::size_t width = 0;
  for (const json::value& change : elements(member(answer, "changes"))) {
    width = std::max(width, display_width(shown(member(change, "key"))));
  }
  std::string text;
  std::size_t added = 0;
  std::size_t changed = 0;
  std::size_t removed = 0;
  for (const json::value& change : elements(member(answer, "changes"))) {
    const json::value& before = member(change, "before");
    const json::value& after = member(change, "after");
    const std::string key = shown(member(change, "key"));
    const std::string column = key + std::string(width + 2 - display_width(key), ' ');
    if (before.is_null()) {
      ++added;
      text += style.green("+") + " " + column + text_of(after);
    } else if (after.is_null()) {
      ++removed;
      text += style.red("-") + " " + column + text_of(before);
    } else {
      ++changed;
      text += style.yellow("~") + " " + column + text_of(before) + " -> " + text_of(after);
    }
    text += "\n";
  }
  text += std::to_string(added) + " added, " + std::to_string(changed) + " changed, " + std::to_string(removed) +
          " removed, " + shown(member(answer, "unchanged")) + " unchanged.\n";
  if (is_true(member(asked, "dry_run"))) text += "This was a dry run: nothing has changed.\n";
  return {std::move(text)};
}

Shown render_decision(const json::value& decision, const json::object& /*asked*/, const Style& style) {
  const std::string remaining = shown(member(decision, "remaining")) + " of " + shown(member(decision, "limit")) +
                                " remaining, full again in " + wait_of(member(decision, "reset_after_ms")) + ".\n";
  const std::string what = shown(member(decision, "cost")) + " of " + quoted(member(decision, "key")) + "; ";
  if (is_true(member(decision, "allowed"))) {
    const bool would_deny = is_true(member(decision, "would_deny"));
    return {style.green("Allowed") + ": " + what + remaining +
            (would_deny ? "The limit would deny it, but it is in mode shadow: nothing was taken.\n" : "")};
  }
  const json::value& message = member(decision, "message");
  const std::string why = message.is_null() ? "" : "flint: " + shown(message) + "\n";
  return {
      why + style.red("Denied") + ": " + what + remaining + retry_sentence(wait_of(member(decision, "retry_after_ms"))),
      Exit::kDenied};
}

Shown render_check_all(const json::value& result, const json::object& /*asked*/, const Style& style) {
  Table table = decision_table();
  const bool allowed = is_true(member(result, "allowed"));
  const json::array& decisions = elements(member(result, "results"));
  std::string retry_in = "-";
  for (const json::value& decision : decisions) {
    if (!is_true(member(decision, "allowed"))) retry_in = wait_of(member(decision, "retry_after_ms"));
    add_decision(table, decision);
  }
  if (allowed) {
    return {table.text(style) + style.green("Allowed") + ": " + std::to_string(decisions.size()) +
            (decisions.size() == 1 ? " key.\n" : " keys, all together.\n")};
  }
  return {table.text(style) + style.red("Denied") + " by " + quoted(member(result, "denied_key")) +
              "; nothing was consumed. " + retry_sentence(retry_in),
          Exit::kDenied};
}

Shown render_check_batch(const json::value& answer, const json::object& asked, const Style& style) {
  Table table = decision_table();
  const json::array& results = elements(member(answer, "results"));
  const json::array& checks = elements(member(asked, "checks"));
  std::size_t denied = 0;
  std::string failures;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const json::value& error = member(results[i], "error");
    if (error.is_null()) {
      denied += is_true(member(results[i], "allowed")) ? 0 : 1;
      add_decision(table, results[i]);
      continue;
    }
    const json::value check = i < checks.size() ? checks[i] : json::value();
    table.add({shown(member(check, "key")), "failed", shown(member(check, "cost")), "-", "-", "-"});
    failures += style.red("Failed") + ": " + shown(error) + "\n";
  }
  const Exit exit = !failures.empty() ? Exit::kUsage : denied > 0 ? Exit::kDenied : Exit::kDone;
  return {table.text(style) + failures, exit};
}

Shown render_status(const json::value& status, const json::object& /*asked*/, const Style& style) {
  std::vector<Fact> facts = {{"limit", rule_of(status)}};
  const json::array& windows = elements(member(status, "windows"));
  if (windows.empty()) facts.push_back({"algorithm", shown(member(status, "algorithm"))});
  const json::value& keys = member(status, "keys");
  if (const std::string source = source_of(status); !source.empty()) facts.push_back({"comes from", source});
  if (keys.is_null()) {
    facts.push_back({"remaining", shown(member(status, "remaining"))});
    facts.push_back({"full again at", shown(member(status, "reset_at"))});
    for (const json::value& window : windows) {
      facts.push_back({"window " + window_rule_of(window),
                       shown(member(window, "remaining")) + " of " + shown(member(window, "limit")) +
                           " remaining, full again at " + shown(member(window, "reset_at"))});
    }
  } else {
    facts.push_back({"overrides", is_true(member(status, "override")) ? "limits that checks carry" : "nothing"});
    facts.push_back({"keys", shown(keys)});
  }
  facts.push_back({"allowed", count_and_units(status, "allowed")});
  facts.push_back({"denied", count_and_units(status, "denied")});
  const json::value& would_deny = member(status, "would_deny");
  if (member(status, "mode") == "shadow" || unsigned_of(would_deny).value_or(0) > 0) {
    facts.push_back({"would deny", shown(would_deny)});
  }
  if (const json::value& reserved = member(status, "reserved"); unsigned_of(reserved).value_or(0) > 0) {
    facts.push_back({"reserved", shown(reserved)});
  }
  facts.push_back({"last reset", shown(member(status, "last_reset_at"))});
  return {style.bold(shown(member(status, "key"))) + "\n" + fact_lines(facts)};
}

Shown render_statuses(const json::value& statuses, const json::object& /*asked*/, const Style& style) {
  Table table({{"KEY"},
               {"LIMIT"},
               {"REMAINING", Align::kRight},
               {"ALLOWED", Align::kRight},
               {"DENIED", Align::kRight},
               {"LAST ALLOWED"},
               {"LAST DENIED"}});
  for (const json::value& status : elements(statuses)) {
    table.add({shown(member(status, "key")), rule_of(status), shown(member(status, "remaining")),
               shown(member(status, "total_allowed")), shown(member(status, "total_denied")),
               shown(member(status, "last_allowed_at")), shown(member(status, "last_denied_at"))});
  }
  return {table.text(style)};
}

Shown render_ranking(const json::value& statuses, const json::object& asked, const Style& style) {
  if (!elements(statuses).empty()) return render_statuses(statuses, asked, style);
  const json::value& by = member(asked, "by");
  return {"No key has been " + (by.is_null() ? "denied" : shown(by)) + " yet.\n"};
}

Shown render_history(const json::value& events, const json::object& /*asked*/, const Style& style) {
  Table table(
      {{"SEQ", Align::kRight}, {"AT"}, {"EVENT"}, {"COST", Align::kRight}, {"COUNT", Align::kRight}, {"LIMIT"}});
  for (const json::value& event : elements(events)) {
    table.add({shown(member(event, "seq")), shown(member(event, "at")), shown(member(event, "kind")),
               shown(member(event, "cost")), shown(member(event, "count")), rule_of(event)});
  }
  if (elements(events).empty()) return {"The log retains no events of this key.\n"};
  return {table.text(style)};
}

Shown render_reset(const json::value& /*answer*/, const json::object& asked, const Style& /*style*/) {
  return {quoted(member(asked, "key")) + " has its full quota again.\n"};
}

Shown render_reset_count(const json::value& answer, const json::object& asked, const Style& /*style*/) {
  return {"Reset " + shown(member(answer, "reset")) + " limits and keys that start with " +
          quoted(member(asked, "prefix")) + ".\n"};
}

Shown render_deleted(const json::value& /*answer*/, const json::object& asked, const Style& /*style*/) {
  return {quoted(member(asked, "key")) + " is deleted.\n"};
}

Shown render_deleted_count(const json::value& answer, const json::object& asked, const Style& /*style*/) {
  return {"Deleted " + shown(member(answer, "deleted")) + " limits and keys that start with " +
          quoted(member(asked, "prefix")) + ".\n"};
}

Shown render_flush(const json::value& /*answer*/, const json::object& /*asked*/, const Style& /*style*/) {
  return {"Everything decided so far is on stable storage.\n"};
}

Shown render_compact(const json::value& /*answer*/, const json::object& /*asked*/, const Style& /*style*/) {
  return {"A new snapshot is in place, and the log before the previous one is gone.\n"};
}

Shown render_doctor(const json::value& report, const json::object& /*asked*/, const Style& style) {
  const json::array& findings = elements(member(report, "findings"));
  const bool opens = std::none_of(findings.begin(), findings.end(),
                                  [](const json::value& finding) { return is_true(member(finding, "fatal")); });
  const bool usable = opens && !is_true(member(report, "failed"));
  const bool sound = usable && is_true(member(report, "ok"));
  std::string text;
  if (!opens) {
    text = style.red("The data directory does not open.") + "\n";
  } else if (!usable) {
    text = style.red("Storage has failed; no changes are accepted until the directory is reopened.") + "\n";
  } else if (sound) {
    text = style.green("The data directory is sound.") + "\n";
  } else {
    text = style.yellow("The data directory opens; see the notices.") + "\n";
  }
  text += findings_text(findings, style);

  // If the directory does not open, only its files are known. Zeros for everything else would look like an empty store.
  std::vector<Fact> facts;
  if (const json::object* fields = report.if_object()) {
    for (const auto& [name, value] : *fields) {
      const bool is_told = opens || name == "ok" || name == "data_dir";
      if (is_told && !value.is_structured()) facts.push_back(doctor_fact(name, value));
    }
  }
  text += "\n" + fact_lines(facts) + files_text(elements(member(report, "files")), style);
  return {std::move(text), sound ? Exit::kDone : Exit::kFailed};
}

}  // namespace flint::cli
