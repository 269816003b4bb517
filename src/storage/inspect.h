#pragma once

#include <vector>

#include "flint/doctor.h"
#include "io/file_system.h"
#include "storage/owner.h"

namespace flint::storage {

/// What stands in a data directory, each log and snapshot read to its end. Damage that a file shows by itself, and what
/// is in the way of changes, goes to `wrong`; where a log's records end is in its map. A writer may work on the
/// directory meanwhile: what it removes is left out, and a record that it is just writing is not there yet.
Result<std::vector<FileMap>> map_files(io::Directory& directory, std::vector<Status>& wrong);

/// Adds what map_files() found wrong, except for damage that the open reported: its findings say what it means, too.
void add_untold(std::vector<Finding>& told, const std::vector<Status>& wrong);

/// flint::inspect for the storage part (DoctorReport::limits is the caller's to fill in). `state` is a scratch owner
/// that checks what the payloads say, and holds afterwards what an open would recover.
Result<DoctorReport> inspect(io::Directory& directory, Owner& state);

}  // namespace flint::storage
