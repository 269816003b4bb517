#pragma once

#include <memory>
#include <string>

#include "io/file_system.h"

/// Files in memory, with the same semantics as POSIX ones, locks included. For tests, and for limits that need not
/// outlive the process.
namespace flint::io {

class MemoryTree;

/// One disk with one directory. Copies share the content. Threads: any.
class MemoryDisk {
 public:
  /// `path` appears in messages; `kind` is what the directory says of itself.
  explicit MemoryDisk(std::string path = "/memory", FileSystemKind kind = {"memory", false, true});

  /// A handle for one "process". Several may be open at once, and content stays when they are gone, so closing one and
  /// opening another is a restart.
  [[nodiscard]] std::unique_ptr<Directory> directory() const;

 private:
  std::shared_ptr<MemoryTree> tree_;
  FileSystemKind kind_;
};

}  // namespace flint::io
