#pragma once

namespace flint::cli {

/// Explains SIGBUS, which the kernel sends when it cannot provide a page of a mapped file (docs/durability.md lists the
/// cases): prints one line that names the file and the offset to standard error, and then lets the signal end the
/// process. For programs, which own their signals; the library installs no handler.
void explain_bus_errors();

}  // namespace flint::cli
