#include "storage/errors.h"

#include <fmt/format.h>

namespace flint::storage {
namespace {

/// As a shell reads it: people paste the commands that a message tells them.
std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char character : text) {
    if (character == '\'') {
      word += R"('\'')";
    } else {
      word += character;
    }
  }
  return word + "'";
}

std::string what_to_do(const io::Directory& directory) {
  const std::string path = shell_word(directory.path());
  return fmt::format(
      " Nothing was changed. Run `flint --data-dir {} doctor` to see what is damaged, and `flint --data-dir {} "
      "doctor --repair` to keep the rest.",
      path, path);
}

}  // namespace

/// The advice is right for an open that was refused. A finding about a store that opens, or the report of the repair
/// itself, tells the same damage without it: Status::problem.
Status corruption(const Place& place, std::string_view what) {
  return Status(Code::kCorruption, fmt::format("{}/{} is damaged at offset {}: {}.", place.directory.path(), place.file,
                                               place.offset, what))
      .advised(what_to_do(place.directory));
}

Status unsupported(const Place& place, std::string_view what) {
  return {Code::kUnsupportedFormat,
          fmt::format("{}/{} at offset {} was written by a newer Flint: {}. Nothing was changed. Open the directory "
                      "with the version that wrote it.",
                      place.directory.path(), place.file, place.offset, what)};
}

Status at_place(const Place& place, const Status& status) {
  switch (status.code()) {
    case Code::kCorruption:
      return corruption(place, status.message());
    case Code::kUnsupportedFormat:
      return unsupported(place, status.message());
    default:
      return {status.code(), fmt::format("{}/{} at offset {}: {}", place.directory.path(), place.file, place.offset,
                                         status.message())};
  }
}

Status opening_stopped(const io::Directory& directory) {
  return {Code::kClosed,
          fmt::format("Opening {} was stopped before it was complete. Nothing was changed.", directory.path())};
}

/// A full disk is the one failure that leaves the store working: nothing was written in part that could be taken for a
/// record, and the same call may succeed later. After any other failure it is not known what the disk holds.
Status after_failed_write(const Status& status) {
  return status.code() == Code::kDiskFull ? status : after_failed_sync(status);
}

Status after_failed_sync(const Status& status) {
  if (status.code() == Code::kStorageFailed) return status;
  return {Code::kStorageFailed,
          fmt::format("{} The contents of the disk are now unknown, so no changes are accepted until the directory is "
                      "opened again.",
                      status.message())};
}

}  // namespace flint::storage
