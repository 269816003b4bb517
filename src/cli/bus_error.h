#pragma once

namespace flint::cli {

/// Explains SIGBUS, which the kernel sends when a page of a mapped file cannot be had (docs/durability.md has the
/// cases): one line on standard error names the file and the place in it, then the process dies of the signal. For a
/// program, which owns its signals; the library installs no handler.
void explain_bus_errors();

}  // namespace flint::cli
