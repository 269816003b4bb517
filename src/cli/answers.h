#pragma once

#include "cli/json.h"
#include "cli/question.h"

/// What an answer must be before the command believes it. It may come from another program on that port, or from
/// another user's: one that lacks a member, or speaks of another key, is no answer to what was asked.
namespace flint::cli {

/// `{"ok":true}`.
Complaint judge_done(const json::value& answer, const json::object& asked);
Complaint judge_reset_count(const json::value& answer, const json::object& asked);
Complaint judge_deleted_count(const json::value& answer, const json::object& asked);
Complaint judge_changes(const json::value& answer, const json::object& asked);
Complaint judge_report(const json::value& answer, const json::object& asked);
Complaint judge_decision(const json::value& answer, const json::object& asked);
/// Each of the items that were asked for is an object with a cost.
Complaint judge_check_all(const json::value& answer, const json::object& asked);
/// Each of the checks that were asked for is an object with a cost.
Complaint judge_check_batch(const json::value& answer, const json::object& asked);
/// As judge_check_all(), with a reservation if it is allowed.
Complaint judge_reserve(const json::value& answer, const json::object& asked);
/// Decisions about different keys, which have the costs that were asked for.
Complaint judge_settlement(const json::value& answer, const json::object& asked);
Complaint judge_reservation(const json::value& answer, const json::object& asked);
Complaint judge_status(const json::value& answer, const json::object& asked);
Complaint judge_ranking(const json::value& answer, const json::object& asked);
Complaint judge_events(const json::value& answer, const json::object& asked);
/// A page of a list, whose keys all have the prefix and come after the key that was asked for.
Complaint judge_page(const json::value& answer, const json::object& asked);

}  // namespace flint::cli
