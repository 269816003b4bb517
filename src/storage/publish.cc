#include "storage/publish.h"

#include "storage/errors.h"
#include "storage/file_names.h"

namespace flint::storage {

Result<std::unique_ptr<io::File>> create_temporary(io::Directory& directory, std::string_view name) {
  remove_temporary(directory, name);
  return directory.open(temporary_name(name), io::OpenFile::kCreateNew);
}

Status write_temporary(io::Directory& directory, std::string_view name, std::span<const std::byte> bytes) {
  Result<std::unique_ptr<io::File>> file = create_temporary(directory, name);
  if (!file.ok()) return file.status();
  Status status = (*file)->write_at(0, bytes);
  if (status.ok()) status = (*file)->sync();
  if (status.ok()) return status;
  remove_temporary(directory, name);
  return after_failed_write(status);
}

Status rename_temporary(io::Directory& directory, std::string_view name) {
  return directory.rename(temporary_name(name), name);
}

void remove_temporary(io::Directory& directory, std::string_view name) {
  static_cast<void>(directory.remove(temporary_name(name)));
}

}  // namespace flint::storage
