#include "api/audit.h"

#include <algorithm>

namespace flint::api {
namespace {

std::string quoted_key(std::string_view key) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  std::string quoted = "\"";
  while (!key.empty()) {
    const std::size_t plain =
        static_cast<std::size_t>(std::find_if_not(key.begin(), key.end(), is_plain) - key.begin());
    quoted += key.substr(0, plain);
    key.remove_prefix(plain);
    if (key.empty()) break;
    const auto byte = static_cast<unsigned char>(key.front());
    quoted += "\\x";
    quoted += kHex.substr(byte >> 4, 1);
    quoted += kHex.substr(byte & 0xf, 1);
    key.remove_prefix(1);
  }
  return quoted + "\"";
}

/// Equal for limits that mean the same, and for no others.
std::string limit_text(Limit limit) {
  if (limit.burst == limit.rate) limit.burst.reset();
  for (Limit& window : limit.further) {
    if (window.burst == window.rate) window.burst.reset();
  }
  return format_limit(limit);
}

std::string setting_text(const LimitChange::Setting& setting) {
  const Mode mode = setting.options.mode;
  return limit_text(setting.limit) + (mode == Mode::kEnforce ? "" : " in mode " + std::string(mode_name(mode))) +
         (setting.options.overrides ? " override" : "");
}

}  // namespace

void note_limit(std::string& audit, std::string_view key, const std::optional<Limit>& before, const Limit& limit,
                Mode mode) {
  const std::string was = before ? limit_text(*before) : "";
  const std::string is = limit_text(limit) + (mode == Mode::kEnforce ? "" : " in mode " + std::string(mode_name(mode)));
  if (is == was) return;
  audit = "limit of " + quoted_key(key) + " set to " + is + (was.empty() ? "" : ", from " + was);
}

void note_changes(std::string& audit, const LimitChanges& changes) {
  constexpr std::size_t kMostTold = 20;
  const std::vector<LimitChange>& all = changes.changes;
  for (std::size_t i = 0; i < std::min(all.size(), kMostTold); ++i) {
    audit += (i == 0 ? std::to_string(all.size()) + (all.size() == 1 ? " limit" : " limits") + " applied: " : "; ") +
             quoted_key(all[i].key) + " ";
    const std::string was = all[i].before ? setting_text(*all[i].before) : "";
    audit += all[i].after ? "set to " + setting_text(*all[i].after) + (was.empty() ? "" : ", from " + was)
                          : "deleted, " + was;
  }
  if (all.size() > kMostTold) audit += "; and " + std::to_string(all.size() - kMostTold) + " more";
}

void note_removed(std::string& audit, std::string_view key, const std::optional<Limit>& before) {
  audit =
      (before ? "limit of " : "usage of ") + quoted_key(key) + " deleted" + (before ? ", " + limit_text(*before) : "");
}

void note_all_reset(std::string& audit, std::string_view prefix, std::uint64_t count) {
  audit = "usage of " + std::to_string(count) + " limits and keys that begin with " + quoted_key(prefix) + " reset";
}

void note_all_removed(std::string& audit, std::string_view prefix, std::uint64_t count) {
  audit = std::to_string(count) + " limits and keys that begin with " + quoted_key(prefix) + " deleted";
}

void note_reset(std::string& audit, std::string_view key) { audit = "usage of " + quoted_key(key) + " reset"; }

}  // namespace flint::api
