#pragma once

#include <cstddef>
#include <cstdint>

#include "flint/status.h"

/// How many connections the process has descriptors for.
namespace flint::net {

/// The arguments of ConnectionTable.
struct ConnectionPlaces {
  std::size_t places = 0;
  std::size_t spare = 0;
};

/// The number of places, at most `wanted`, for which `limit` descriptors suffice in addition to the `open` ones and
/// those that a server of `threads` I/O threads needs. So a crowd of clients cannot use up the descriptors of the
/// owner's socket, probes and the data directory. Fails with kIoError, and says what to raise, if the limit is too low
/// for any server.
[[nodiscard]] Result<ConnectionPlaces> places_within(std::uint64_t limit, std::size_t open, unsigned threads,
                                                     std::size_t wanted);

/// The same for this process. First raises its limit to what `wanted` places need, up to the hard limit. Called before
/// the data directory is opened.
[[nodiscard]] Result<ConnectionPlaces> places_of_process(unsigned threads, std::size_t wanted);

}  // namespace flint::net
