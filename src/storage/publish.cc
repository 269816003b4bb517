#include "storage/publish.h"

#include "storage/errors.h"
#include "storage/file_names.h"

namespace flint::storage {

Result<std::unique_ptr<io::File>> create_temporary(io::Directory& directory, std::string_view name) {
  remove_temporary(directory, name);
  Result<std::unique_ptr<io::File>> file = directory.open(temporary_name(name), io::OpenFile::kCreateNew);
  // When a message is read, the temporary name is gone: the file has its last one, or none.
  if (file.ok()) (*file)->show_as(name);
  return file;
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
