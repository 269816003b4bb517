#pragma once

#include <vector>

#include "flint/doctor.h"
#include "io/file_system.h"

namespace flint::storage {

/// What an operator should know of the place and the permissions of a data directory.
void report_surroundings(const io::Directory& directory, std::vector<Finding>& findings);

/// The same for an open: kPermission when it is on a network file system and that is not allowed.
Status check_surroundings(const io::Directory& directory, bool allow_network, std::vector<Finding>& findings);

}  // namespace flint::storage
