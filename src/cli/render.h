#pragma once

#include "cli/json.h"
#include "cli/question.h"
#include "cli/text.h"

/// The API's answers as people read them.
namespace flint::cli {

/// `api:x: 100 per 1m, burst 150, token_bucket`, as it was asked for and accepted.
Shown render_limit_set(const json::value& answer, const json::object& asked, const Style& style);
Shown render_decision(const json::value& decision, const json::object& asked, const Style& style);
Shown render_check_all(const json::value& result, const json::object& asked, const Style& style);
/// kUsage when a check failed, else kDenied when one was denied.
Shown render_check_batch(const json::value& answer, const json::object& asked, const Style& style);
Shown render_status(const json::value& status, const json::object& asked, const Style& style);
/// A page of a list.
Shown render_statuses(const json::value& statuses, const json::object& asked, const Style& style);
Shown render_ranking(const json::value& statuses, const json::object& asked, const Style& style);
Shown render_history(const json::value& events, const json::object& asked, const Style& style);
/// A line a change, and how many there are.
Shown render_changes(const json::value& changes, const json::object& asked, const Style& style);
Shown render_reset(const json::value& answer, const json::object& asked, const Style& style);
Shown render_reset_count(const json::value& answer, const json::object& asked, const Style& style);
Shown render_deleted(const json::value& answer, const json::object& asked, const Style& style);
Shown render_deleted_count(const json::value& answer, const json::object& asked, const Style& style);
Shown render_flush(const json::value& answer, const json::object& asked, const Style& style);
Shown render_compact(const json::value& answer, const json::object& asked, const Style& style);
/// kFailed when the directory does not open or storage has failed.
Shown render_doctor(const json::value& report, const json::object& asked, const Style& style);

}  // namespace flint::cli
