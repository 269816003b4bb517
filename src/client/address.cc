#include "client/address.h"

#include <netdb.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

namespace flint::client {
namespace {

struct Found {
  /// Empty if there are addresses.
  std::string problem;
  std::vector<Address> addresses;
};

Found ask_system(const std::string& host, const std::string& port) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &first);
  const int system_error = errno;
  Found found;
  if (error != 0) {
    found.problem = error == EAI_SYSTEM ? std::generic_category().message(system_error) : ::gai_strerror(error);
    return found;
  }
  for (const addrinfo* entry = first; entry != nullptr; entry = entry->ai_next) {
    found.addresses.emplace_back(entry->ai_addr, entry->ai_addrlen);
  }
  ::freeaddrinfo(first);
  return found;
}

}  // namespace

Address::Address(const sockaddr* address, socklen_t size) : size_(size) {
  std::memcpy(&storage_, address, std::min<std::size_t>(size, sizeof(storage_)));
}

Address Address::of_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return {reinterpret_cast<const sockaddr*>(&address), sizeof(address)};
}

const sockaddr* Address::get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }

Result<std::vector<Address>> resolve(const Endpoint& endpoint, Deadline deadline, const Names& names) {
  auto promise = std::make_shared<std::promise<Found>>();
  std::future<Found> future = promise->get_future();
  std::thread([promise, host = endpoint.host, port = endpoint.port] {
    promise->set_value(ask_system(host, port));
  }).detach();
  if (future.wait_until(deadline) != std::future_status::ready) {
    return Status(Code::kUnavailable,
                  "Looking up the host of " + endpoint.text + " takes too long. Use its address instead.");
  }
  Found found = future.get();
  if (found.addresses.empty()) {
    return Status(Code::kUnavailable, "Cannot find the host of " + endpoint.text + ": " + found.problem + ". Check " +
                                          std::string(names.server) + ".");
  }
  return std::move(found.addresses);
}

}  // namespace flint::client
