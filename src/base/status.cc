#include "flint/status.h"

#include "base/assert.h"

namespace flint {

/// The parts are positions in the message, so that the whole sentence and its parts cannot differ.
struct Status::Failure {
  std::string message;
  std::size_t field_size = 0;
  std::size_t advice_size = 0;
  std::optional<LockHolder> holder;
};

Status::Status(Code code, Failure failure)
    : code_(code), failure_(std::make_shared<const Failure>(std::move(failure))) {}

Status::Status(Code code, std::string message) : Status(code, Failure{std::move(message), 0, 0, std::nullopt}) {}

Status Status::of_field(std::string_view field, std::string_view problem) {
  std::string message(field);
  message += ' ';
  message += problem;
  return {Code::kInvalidArgument, Failure{std::move(message), field.size(), 0, std::nullopt}};
}

const std::string& Status::message() const noexcept {
  static const std::string none;
  return failure_ == nullptr ? none : failure_->message;
}

std::string_view Status::field() const noexcept {
  return std::string_view(message()).substr(0, failure_ == nullptr ? 0 : failure_->field_size);
}

std::string_view Status::advice() const noexcept { return std::string_view(message()).substr(problem().size()); }

std::string_view Status::problem() const noexcept {
  return std::string_view(message()).substr(0, message().size() - (failure_ == nullptr ? 0 : failure_->advice_size));
}

std::optional<LockHolder> Status::holder() const noexcept {
  return failure_ == nullptr ? std::nullopt : failure_->holder;
}

Status Status::renamed(std::string_view field) const {
  FLINT_ASSERT(!this->field().empty());
  Failure copy = *failure_;
  copy.message.replace(0, copy.field_size, field);
  copy.field_size = field.size();
  return {code_, std::move(copy)};
}

Status Status::advised(std::string_view advice) const {
  FLINT_ASSERT(failure_ != nullptr);
  Failure copy = *failure_;
  copy.message += advice;
  copy.advice_size += advice.size();
  return {code_, std::move(copy)};
}

Status Status::held_by(LockHolder holder) const {
  FLINT_ASSERT(failure_ != nullptr);
  Failure copy = *failure_;
  copy.holder = holder;
  return {code_, std::move(copy)};
}

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
    case Code::kRequestIdConflict:
      return "request_id_conflict";
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
    case Code::kConflict:
      return "conflict";
    case Code::kReservationNotFound:
      return "reservation_not_found";
    case Code::kReservationsFull:
      return "reservations_full";
    case Code::kUnavailable:
      return "unavailable";
  }
  base::assertion_failed("code is one of Code", __FILE__, __LINE__);
}

}  // namespace flint
