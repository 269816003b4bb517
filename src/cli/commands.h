#pragma once

#include "cli/command.h"
#include "cli/session.h"

namespace flint::cli {

/// Every command, in the order in which help lists them.
[[nodiscard]] const Grammar& flint_grammar();

Exit limit_add(Session& session, const Invocation& invocation);
Exit limit_check(Session& session, const Invocation& invocation);
Exit limit_check_all(Session& session, const Invocation& invocation);
Exit limit_status(Session& session, const Invocation& invocation);
Exit limit_list(Session& session, const Invocation& invocation);
Exit limit_reset(Session& session, const Invocation& invocation);
Exit limit_history(Session& session, const Invocation& invocation);
Exit limit_top(Session& session, const Invocation& invocation);
Exit log_flush(Session& session, const Invocation& invocation);
Exit log_compact(Session& session, const Invocation& invocation);
Exit import_original(Session& session, const Invocation& invocation);
Exit doctor(Session& session, const Invocation& invocation);
Exit server_start(Session& session, const Invocation& invocation);

}  // namespace flint::cli
