#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "cli/arguments.h"
#include "cli/bus_error.h"
#include "cli/embedded_caller.h"
#include "cli/http_caller.h"
#include "cli/run.h"
#include "original/import.h"
#include "server/server.h"

/// The one place that picks implementations.
int main(int argc, char** argv) {
  using namespace flint::cli;
  // First of all: from here on the process list shows no token.
  const std::vector<std::string> arguments = take_arguments(argc, argv);
  reserve_standard_descriptors();
  (void)std::signal(SIGPIPE, SIG_IGN);
  // A write past the file-size limit then fails like one on a full disk, instead of ending the process.
  (void)std::signal(SIGXFSZ, SIG_IGN);
  explain_bus_errors();

  const Environment environment = [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());  // NOLINT(concurrency-mt-unsafe): nobody sets any
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
  const Implementations implementations{.open_directory = open_embedded,
                                        .connect_server = connect_http,
                                        .inspect = flint::inspect,
                                        .repair = flint::repair,
                                        .back_up = flint::backup,
                                        .import_original = flint::original::import_directory,
                                        .run_server = flint::server::run_server,
                                        .environment = environment};
  Output out(STDOUT_FILENO);
  Output err(STDERR_FILENO);
  const Style style(wants_colour(STDOUT_FILENO, environment));
  return static_cast<int>(run(implementations, arguments, {out, err, style}));
}
