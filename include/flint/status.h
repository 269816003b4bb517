#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

/// How Flint reports failures of the outside world to a caller.
///
/// Three outcomes are never mixed: a *denied* check is a value (`Decision::allowed == false`), a failure of the outside
/// world is a `Status`, and a bug in Flint stops the process with file and line. Flint's own code throws nothing.
namespace flint {

/// A small closed set of codes; each interface (HTTP, command line, Python) maps it in one table.
enum class [[nodiscard]] Code : std::uint8_t{
    kOk,
    /// An argument has the wrong size, range, form or encoding. Nothing changed.
    kInvalidArgument,
    /// The key has no limit. Nothing changed.
    kLimitNotFound,
    /// Another process (or another Limiter in this process) owns the data directory. The message names the owner.
    /// Nothing changed.
    kDataDirLocked,
    /// A path that should exist does not (for example a data directory opened for reading). Nothing was created.
    kNotFound,
    /// The directory or file may not be used in this way (permissions, a file where a directory belongs, a network file
    /// system, read-only storage). Nothing changed.
    kPermission,
    /// Data that had been durable on disk contradicts itself. Nothing was changed; the message names the file and the
    /// offset, and says that `flint doctor` shows the map.
    kCorruption,
    /// A version of Flint that this version does not know wrote the data directory. Nothing was changed.
    kUnsupportedFormat,
    /// The device is full, or a quota or file-size limit is reached. The operation was not applied, acknowledged
    /// operations stand, and the next operation may succeed.
    kDiskFull,
    /// A write or a sync failed, now or earlier. The operation that met the failure is on disk either completely or not
    /// at all (it may cost quota, but never grants it). The Limiter accepts no changes until it is reopened; reads
    /// continue.
    kStorageFailed,
    /// A system call that changes nothing failed (a read, too many open files, no memory).
    kIoError,
    /// The Limiter was closed, or belongs to the parent of this process (after fork).
    kClosed,
    /// The server cannot be reached, or stopped before it answered.
    kUnavailable,
};

/// The `snake_case` name of a code. Names are stable: they are the `code` of an HTTP error. Static storage.
[[nodiscard]] std::string_view code_name(Code code) noexcept;

/// Success, or a code with a sentence for people (path, offset and errno where they apply, and what to do next).
class [[nodiscard]] Status {
 public:
  /// Success.
  Status() noexcept = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] bool ok() const noexcept { return code_ == Code::kOk; }
  [[nodiscard]] Code code() const noexcept { return code_; }
  /// Empty on success.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

  friend bool operator==(const Status&, const Status&) = default;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

/// A value, or the Status that says why there is no value. Reading the value of a failed Result is a bug and stops the
/// process.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  [[nodiscard]] T& value() & noexcept { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& noexcept { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && noexcept { return std::get<0>(std::move(state_)); }
  [[nodiscard]] T& operator*() & noexcept { return value(); }
  [[nodiscard]] const T& operator*() const& noexcept { return value(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() noexcept { return &value(); }
  [[nodiscard]] const T* operator->() const noexcept { return &value(); }

  /// The failure; `Status()` if there is a value.
  [[nodiscard]] Status status() const& { return ok() ? Status() : std::get<1>(state_); }
  [[nodiscard]] Code code() const noexcept { return ok() ? Code::kOk : std::get<1>(state_).code(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace flint
