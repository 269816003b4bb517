#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/arguments.h"
#include "cli/json.h"

/// What an answer must be before the command believes it. It may come from another program on that port, or from
/// another user's: one that lacks a member, or speaks of another key, is no answer to what was asked.
namespace flint::cli {

/// What is wrong with an answer, as the rest of a sentence that begins with "it"; nothing if it can be believed.
using Complaint = std::optional<std::string>;
using Judge = std::function<Complaint(const json::value& answer)>;

/// `{"ok":true}`.
Complaint judge_done(const json::value& answer);
Complaint judge_report(const json::value& answer);

Complaint judge_decision(const json::value& answer, const Item& asked);
Complaint judge_check_all(const json::value& answer, std::span<const Item> asked);
Complaint judge_status(const json::value& answer, std::string_view key);
/// At most `most` of them.
Complaint judge_ranking(const json::value& answer, std::uint64_t most);
Complaint judge_events(const json::value& answer, std::uint64_t most);

/// What a page of a list was asked for.
struct Page {
  std::string_view prefix;
  /// Every key comes after it.
  std::string_view after;
  std::uint64_t most = 0;
};
Complaint judge_page(const json::value& answer, const Page& asked);

}  // namespace flint::cli
