#include "net/descriptors.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "net/connection_table.h"

namespace flint::net {
namespace {

/// The data directory (itself, its lock, two segments, a snapshot and a manifest that are being written), the files
/// that workers read, the listening sockets with their directories, the loops of the main thread and the acceptor, a
/// connection that is refused: these are some 25.
constexpr std::uint64_t kOwn = 32;
/// Of each event loop: epoll, its timer, and what wakes it.
constexpr std::uint64_t kOfLoop = 3;
constexpr std::size_t kLeastPlaces = 4;
constexpr std::size_t kLeastSpare = 2;
/// Where the system does not say how many are open.
constexpr std::size_t kUsuallyOpen = 16;

std::size_t spare_of(std::size_t places) { return std::clamp(places / 16, kLeastSpare, ConnectionTable::kSpare); }

/// Strangers and the owner have as many places each, and each of them some for probes and some on their way out.
std::uint64_t needed(std::size_t places, std::size_t open, unsigned threads) {
  return open + kOwn + kOfLoop * threads + 2 * std::uint64_t{places} + 4 * std::uint64_t{spare_of(places)};
}

std::size_t count_open() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  std::size_t count = 0;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++count;
  return error || count == 0 ? kUsuallyOpen : count;
}

}  // namespace

Result<ConnectionPlaces> places_within(std::uint64_t limit, std::size_t open, unsigned threads, std::size_t wanted) {
  std::size_t places = wanted;
  while (places > 0 && needed(places, open, threads) > limit) --places;
  if (places >= std::min(wanted, kLeastPlaces)) return ConnectionPlaces{places, spare_of(places)};
  return Status(Code::kIoError,
                fmt::format("The limit of open files is {}, and a server with {} I/O {} needs {} or more. Raise it "
                            "(`ulimit -n`, LimitNOFILE= of systemd){}.",
                            limit, threads, threads == 1 ? "thread" : "threads", needed(kLeastPlaces, open, threads),
                            threads == 1 ? "" : ", or take fewer threads (--threads)"));
}

Result<ConnectionPlaces> places_of_process(unsigned threads, std::size_t wanted) {
  const std::size_t open = count_open();
  const std::uint64_t enough = needed(wanted, open, threads);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return ConnectionPlaces{wanted, spare_of(wanted)};
  // The usual limit of 1,024 exists for programs that use select().
  if (limit.rlim_cur < enough) {
    const rlimit raised{.rlim_cur = std::min<rlim_t>(enough, limit.rlim_max), .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return places_within(limit.rlim_cur, open, threads, wanted);
}

}  // namespace flint::net
