#pragma once

namespace flint::base {

/// Whether standard error goes to systemd's journal, which takes a priority at the beginning of a line (`<3>`: see
/// sd-daemon(3)).
[[nodiscard]] bool stderr_is_journal();

}  // namespace flint::base
