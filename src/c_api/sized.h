#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

/// Structures that begin with their size, of callers that may know a shorter or a longer one than this library.
namespace flint::c_api {

/// What the first callers know of `Struct`: nobody knows less. A structure that grows keeps the number it had.
template <typename Struct>
inline constexpr std::size_t kFirstSize = sizeof(Struct);

/// A size that was never set is rarely below this.
inline constexpr std::size_t kMostSize = 16384;

enum class Fit { kGood, kWrongSize, kUnknownMembers };

/// Copies the caller's options; what it does not know stays zero. Null is none.
template <typename Struct>
[[nodiscard]] Fit take(const Struct* given, Struct* taken) {
  *taken = Struct{};
  if (given == nullptr) return Fit::kGood;
  if (given->size < kFirstSize<Struct> || given->size > kMostSize) return Fit::kWrongSize;
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  // A member that this library does not know would have no effect: its caller must hear of it.
  if (!std::all_of(bytes + std::min(given->size, sizeof(Struct)), bytes + given->size,
                   [](unsigned char byte) { return byte == 0; })) {
    return Fit::kUnknownMembers;
  }
  std::memcpy(taken, given, std::min(given->size, sizeof(Struct)));
  return Fit::kGood;
}

/// Fills as much of the caller's structure as both know; the rest of it becomes zero. Its size stays.
template <typename Struct>
[[nodiscard]] Fit give(const Struct& value, Struct* place) {
  if (place->size < kFirstSize<Struct> || place->size > kMostSize) return Fit::kWrongSize;
  const std::size_t size = place->size;
  std::memset(static_cast<void*>(place), 0, size);
  std::memcpy(place, &value, std::min(size, sizeof(Struct)));
  place->size = size;
  return Fit::kGood;
}

}  // namespace flint::c_api
