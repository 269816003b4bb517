#include "cli/exit_codes.h"

namespace flint::cli {

Exit exit_of(Code code) noexcept {
  switch (code) {
    case Code::kOk:
      return Exit::kDone;
    case Code::kInvalidArgument:
    case Code::kLimitNotFound:
    case Code::kRequestIdConflict:
    case Code::kConflict:
    case Code::kReservationNotFound:
      return Exit::kUsage;
    case Code::kDataDirLocked:
    case Code::kNotFound:
    case Code::kPermission:
    case Code::kCorruption:
    case Code::kUnsupportedFormat:
    case Code::kDiskFull:
    case Code::kStorageFailed:
    case Code::kIoError:
    case Code::kClosed:
    case Code::kUnavailable:
    case Code::kReservationsFull:
      return Exit::kFailed;
  }
  return Exit::kFailed;
}

/// 408 is a client error by number only: the network or the server was too slow, and nothing is wrong with the request.
Exit exit_of_http(int status) noexcept {
  constexpr int kRequestTimeout = 408;
  return status >= 400 && status < 500 && status != kRequestTimeout ? Exit::kUsage : Exit::kFailed;
}

}  // namespace flint::cli
