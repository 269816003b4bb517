#include "storage/surroundings.h"

#include <fmt/format.h>

namespace flint::storage {
namespace {

constexpr std::uint32_t kOthersWrite = 0022;
constexpr std::uint32_t kOthersRead = 0055;

void report_permissions(const io::Directory& directory, std::uint32_t permissions, std::vector<Finding>& findings) {
  if ((permissions & (kOthersWrite | kOthersRead)) == 0) return;
  const std::string_view what = (permissions & kOthersWrite) != 0 ? "write to" : "read";
  findings.push_back(
      {.fatal = false,
       .message = fmt::format("other users can {} the data directory {} (its mode is {:03o}). Set its mode to 700, "
                              "unless they are meant to.",
                              what, directory.path(), permissions)});
}

}  // namespace

void report_surroundings(const io::Directory& directory, std::vector<Finding>& findings) {
  const Result<io::FileSystemKind> kind = directory.kind();
  if (!kind.ok()) return;
  if (kind->network) {
    findings.push_back({.fatal = false,
                        .message = fmt::format("{} is on a network file system ({}), whose locks and syncs may not "
                                               "work as Flint's promises require: it is opened only if that is "
                                               "allowed explicitly. Use a local directory.",
                                               directory.path(), kind->name)});
  }
  if (kind->volatile_) {
    findings.push_back({.fatal = false,
                        .message = fmt::format("{} is on {}: nothing there outlives the machine. Use a directory on a "
                                               "disk if limits are to be remembered across restarts of the machine.",
                                               directory.path(), kind->name)});
  }
  if (kind->uncertain) {
    findings.push_back({.fatal = false,
                        .message = fmt::format("{} is on a file system ({}) that may not keep what locks, syncs and "
                                               "renames promise. Use ext4, XFS or btrfs on a local disk, unless you "
                                               "know that it does.",
                                               directory.path(), kind->name)});
  }
  report_permissions(directory, kind->permissions, findings);
}

Status check_surroundings(const io::Directory& directory, bool allow_network, std::vector<Finding>& findings) {
  const Result<io::FileSystemKind> kind = directory.kind();
  if (!kind.ok()) return kind.status();
  if (kind->network && !allow_network) {
    return {Code::kPermission,
            fmt::format("{} is on a network file system ({}), whose locks and syncs may not work as Flint's promises "
                        "require. Use a local directory, or allow network file systems explicitly.",
                        directory.path(), kind->name)};
  }
  report_surroundings(directory, findings);
  return {};
}

}  // namespace flint::storage
