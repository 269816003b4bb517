#pragma once

#include "cli/json.h"
#include "cli/session.h"
#include "cli/text.h"

/// The API's answers as people read them.
namespace flint::cli {

[[nodiscard]] Shown render_decision(const json::value& decision, const Style& style);
[[nodiscard]] Shown render_check_all(const json::value& result, const Style& style);
[[nodiscard]] Shown render_status(const json::value& status, const Style& style);
/// What list and top answer.
[[nodiscard]] Shown render_statuses(const json::value& statuses, const Style& style);
[[nodiscard]] Shown render_history(const json::value& events, const Style& style);
/// kFailed when the directory does not open or storage has failed.
[[nodiscard]] Shown render_doctor(const json::value& report, const Style& style);

}  // namespace flint::cli
