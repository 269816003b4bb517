#include "base/journal.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace flint::base {

bool stderr_is_journal() {
  // It names the stream by device and inode, because a process whose standard error was redirected has the variable
  // still.
  const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): nobody sets any
  struct stat error {};
  if (stream == nullptr || fstat(STDERR_FILENO, &error) != 0) return false;
  return stream == std::to_string(error.st_dev) + ":" + std::to_string(error.st_ino);
}

}  // namespace flint::base
