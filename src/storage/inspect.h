#pragma once

#include <vector>

#include "flint/doctor.h"
#include "io/file_system.h"
#include "storage/owner.h"

namespace flint::storage {

/// What stands in a data directory, each log and snapshot read to its end. Damage that a file shows by itself goes to
/// `findings`; where a log's records end is in its map. A writer may work on the directory meanwhile: what it removes
/// is left out, and a record that it is just writing is not there yet.
Result<std::vector<FileMap>> map_files(io::Directory& directory, std::vector<Finding>& findings);

/// Adds what map_files() found, but for the damage of which the open told: that says as well what it means.
void add_untold(const io::Directory& directory, std::vector<Finding>& told, std::vector<Finding> in_files);

/// flint::inspect for the storage part (DoctorReport::limits is the caller's to fill in). `state` is a scratch owner
/// that checks what the payloads say, and holds afterwards what an open would recover.
Result<DoctorReport> inspect(io::Directory& directory, Owner& state);

}  // namespace flint::storage
