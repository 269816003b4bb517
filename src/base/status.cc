#include "flint/status.h"

#include "base/assert.h"

namespace flint {

// No default: the compiler then names each place that a new code must be added to. A value outside the enumeration is a
// bug in the caller.
std::string_view code_name(Code code) noexcept {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kLimitNotFound:
      return "limit_not_found";
    case Code::kDataDirLocked:
      return "data_dir_locked";
    case Code::kNotFound:
      return "not_found";
    case Code::kPermission:
      return "permission";
    case Code::kCorruption:
      return "corruption";
    case Code::kUnsupportedFormat:
      return "unsupported_format";
    case Code::kDiskFull:
      return "disk_full";
    case Code::kStorageFailed:
      return "storage_failed";
    case Code::kIoError:
      return "io_error";
    case Code::kClosed:
      return "closed";
    case Code::kUnavailable:
      return "unavailable";
  }
  base::assertion_failed("code is one of Code", __FILE__, __LINE__);
}

}  // namespace flint
