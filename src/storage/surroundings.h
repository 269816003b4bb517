#pragma once

#include <vector>

#include "flint/doctor.h"
#include "io/file_system.h"

namespace flint::storage {

/// Reports what an operator should know about the location and the permissions of a data directory.
void report_surroundings(const io::Directory& directory, std::vector<Finding>& findings);

/// The same for an open. Fails with kPermission if the directory is on a network file system and that is not allowed.
Status check_surroundings(const io::Directory& directory, bool allow_network, std::vector<Finding>& findings);

}  // namespace flint::storage
