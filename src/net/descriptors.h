#pragma once

#include <cstddef>
#include <cstdint>

#include "flint/status.h"

/// How many connections the process has descriptors for.
namespace flint::net {

/// What ConnectionTable is made with.
struct ConnectionPlaces {
  std::size_t places = 0;
  std::size_t spare = 0;
};

/// As many places as `limit` descriptors allow beside the `open` ones and what a server of `threads` I/O threads opens
/// itself, at most `wanted`. So a crowd of clients cannot use up the descriptors that the owner's socket, probes and
/// the data directory need. kIoError, with what to raise, when the limit is too low for any server.
[[nodiscard]] Result<ConnectionPlaces> places_within(std::uint64_t limit, std::size_t open, unsigned threads,
                                                     std::size_t wanted);

/// The same for this process, whose limit it raises first, up to the hard one, to what `wanted` places need. Before the
/// data directory is open.
[[nodiscard]] Result<ConnectionPlaces> places_of_process(unsigned threads, std::size_t wanted);

}  // namespace flint::net
