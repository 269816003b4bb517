#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/posix/descriptor_base.hpp>
#include <functional>
#include <optional>

#include "base/ip_address.h"
#include "net/asio.h"
#include "net/event_log.h"
#include "net/listen_socket.h"

namespace flint::net {

/// Accepts the connections of one socket, on the thread of its context. A failure of one connection does not stop it,
/// and it pauses when the process has no descriptor left.
class Listener {
 public:
  /// Receives an accepted, non-blocking socket. `client` is nothing for a Unix socket.
  using Take = std::function<void(base::UniqueFd socket, std::optional<base::IpAddress> client)>;

  Listener(IoContext& context, ListenSocket socket, Take take, EventLog& log);

  [[nodiscard]] const std::string& url() const { return socket_.url(); }

  Status start();
  /// On the context's thread, or when the context is not running.
  void stop();

 private:
  void await();
  /// Accepts all waiting connections. Returns false if descriptors or memory are used up.
  bool accept_all();
  void back_off();

  ListenSocket socket_;
  Take take_;
  asio::posix::basic_stream_descriptor<IoContext::executor_type> descriptor_;
  Timer timer_;
  RepeatedWarning out_of_descriptors_;
};

}  // namespace flint::net
