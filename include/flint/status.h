#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
    /// The request id came with another request within the last ten minutes. Nothing changed.
    kRequestIdConflict,
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
    /// The limit is another's to change: it came from the limits file of the program that owns the data directory.
    /// Nothing changed.
    kConflict,
    /// No reservation of this id is known: it never was, or was settled or has expired more than kSettledKnownFor ago.
    /// Nothing changed.
    kReservationNotFound,
    /// As many reservations are held as can be. Nothing changed; later, it may succeed.
    kReservationsFull,
};

/// The `snake_case` name of a code. Names are stable: they are the `code` of an HTTP error. Static storage.
[[nodiscard]] std::string_view code_name(Code code) noexcept;

/// The process that owns a data directory, as its lock file names it.
struct LockHolder {
  std::int64_t process_id = 0;
  /// A `flint server`, and not a Limiter in a program.
  bool is_server = false;

  friend bool operator==(const LockHolder&, const LockHolder&) = default;
};

/// Success, or a code with a sentence for people (path, offset and errno where they apply, and what to do next).
/// Programs decide by the code and by the parts that have a method here, never by the wording of the sentence. Cheap to
/// copy; a success is a code and a null pointer.
class [[nodiscard]] Status {
 public:
  /// Success.
  Status() noexcept = default;
  Status(Code code, std::string message);
  /// kInvalidArgument whose message is `field`, a space and `problem`: "cost must be ...".
  static Status of_field(std::string_view field, std::string_view problem);

  [[nodiscard]] bool ok() const noexcept { return code_ == Code::kOk; }
  [[nodiscard]] Code code() const noexcept { return code_; }
  /// The whole sentence, advice included; empty on success.
  [[nodiscard]] const std::string& message() const noexcept;

  /// The argument that is at fault, such as `per` or `items[3].cost`: how the message begins. Empty if the failure does
  /// not concern one argument. This view and the next two live as long as a copy of the Status.
  [[nodiscard]] std::string_view field() const noexcept;
  /// What to do next: how the message ends. Empty where the message gives no advice of its own.
  [[nodiscard]] std::string_view advice() const noexcept;
  /// The message without the advice.
  [[nodiscard]] std::string_view problem() const noexcept;
  /// kDataDirLocked: the owner of the directory, if its lock file names one.
  [[nodiscard]] std::optional<LockHolder> holder() const noexcept;

  // Copies of a failure.

  /// `field` takes the place of field(), which is not empty: a caller knows the argument by another name.
  [[nodiscard]] Status renamed(std::string_view field) const;
  /// `advice` follows the message.
  [[nodiscard]] Status advised(std::string_view advice) const;
  [[nodiscard]] Status held_by(LockHolder holder) const;

  /// The same code and message.
  friend bool operator==(const Status& one, const Status& other) noexcept {
    return one.code_ == other.code_ && one.message() == other.message();
  }

 private:
  struct Failure;
  Status(Code code, Failure failure);

  Code code_ = Code::kOk;
  /// Null on success. Shared by copies, so that a Status that passes through many hands stays small.
  std::shared_ptr<const Failure> failure_;
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
