#pragma once

#include <vector>

#include "flint/doctor.h"
#include "io/file_system.h"
#include "storage/owner.h"

namespace flint::storage {

/// Describes the files of a data directory, and reads each log and snapshot to its end. Damage that a file shows by
/// itself, and obstacles to changes, are added to `wrong`; the map of a log says where its records end. A writer may
/// use the directory concurrently: files that it removes are omitted, and a record that it is writing is not there yet.
Result<std::vector<FileMap>> map_files(io::Directory& directory, std::vector<Status>& wrong);

/// Adds what map_files() found wrong, except for damage that the open reported with an explanation.
void add_untold(std::vector<Finding>& told, const std::vector<Status>& wrong);

/// The storage part of flint::inspect; the caller fills in DoctorReport::limits. `state` is a temporary owner that
/// checks the payloads, and afterwards has the state that an open would recover.
Result<DoctorReport> inspect(io::Directory& directory, Owner& state);

}  // namespace flint::storage
