#pragma once

#include <string>

#include "cli/command.h"
#include "cli/session.h"

namespace flint::cli {

/// Every command, in the order in which help lists them.
[[nodiscard]] const Grammar& flint_grammar();

/// Runs any command that asks one question and shows the answer.
Exit ask(Session& session, const Command& command, const Invocation& invocation);

/// Sets the limits of a file of JSON, one a line.
Exit limit_add_from(Session& session, const std::string& path);
Exit limit_check_from(Session& session, const std::string& path);

// Commands that do more.
Exit limit_add(Session& session, const Command& command, const Invocation& invocation);
Exit limit_check_all(Session& session, const Command& command, const Invocation& invocation);
Exit limit_reserve(Session& session, const Command& command, const Invocation& invocation);
Exit limit_commit(Session& session, const Command& command, const Invocation& invocation);
Exit limit_check_batch(Session& session, const Command& command, const Invocation& invocation);
Exit limit_reset(Session& session, const Command& command, const Invocation& invocation);
Exit limit_delete(Session& session, const Command& command, const Invocation& invocation);
Exit limit_apply(Session& session, const Command& command, const Invocation& invocation);
Exit limit_export(Session& session, const Command& command, const Invocation& invocation);
Exit limit_list(Session& session, const Command& command, const Invocation& invocation);
Exit import_original(Session& session, const Command& command, const Invocation& invocation);
Exit back_up(Session& session, const Command& command, const Invocation& invocation);
Exit doctor(Session& session, const Command& command, const Invocation& invocation);
Exit config_check(Session& session, const Command& command, const Invocation& invocation);
Exit server_start(Session& session, const Command& command, const Invocation& invocation);

}  // namespace flint::cli
