#include "storage/import_mark.h"

#include <span>
#include <string_view>

#include "storage/files.h"

namespace flint::storage {

/// The mark is durable before the first byte of the import, and removed after the last one is durable. A crash in
/// between therefore leaves a directory that does not open, instead of one in which half of the keys have a full quota
/// again.
Status begin_import(io::Directory& directory) {
  constexpr std::string_view kText = "An import into this directory is not finished. Run \"flint import\" again.\n";
  Status status = write_temporary(directory, kImportMarkName, std::as_bytes(std::span(kText)));
  if (status.ok()) status = rename_temporary(directory, kImportMarkName);
  return status.ok() ? directory.sync() : status;
}

Status end_import(io::Directory& directory) {
  Status status = directory.remove(kImportMarkName);
  return status.ok() ? directory.sync() : status;
}

Result<bool> import_is_unfinished(const io::Directory& directory) {
  const Result<io::FileId> mark = directory.id_of(kImportMarkName);
  if (mark.ok()) return true;
  if (mark.code() == Code::kNotFound) return false;
  return mark.status();
}

}  // namespace flint::storage
