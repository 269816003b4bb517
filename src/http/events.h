#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>

#include "api/exchange.h"
#include "api/service.h"
#include "backend/backend.h"
#include "http/monitor.h"

namespace flint::http {

/// GET /v1/events: what the server does, as it happens. A stream of server-sent events, one sample a second, each a
/// JSON object that docs/http_api.md describes.
///
/// A sample is made once for all streams, on a thread of its own and only while there are streams: no check waits for
/// one, whoever listens. A client that reads slowly is asked for nothing: it gets the newest sample when it has taken
/// the one before, and is closed by the deadline for writing if it takes none.
///
/// Threads: any.
class Events {
 public:
  /// So many streams at once, over all connections.
  static constexpr std::size_t kMaxStreams = 64;

  /// The references outlive it.
  Events(backend::Backend& backend, const Monitor& monitor);
  /// end(). The streams that are left must have gone.
  ~Events();
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  [[nodiscard]] static bool has(std::string_view path) noexcept;
  /// For a path that it has.
  [[nodiscard]] static api::Service::Route route(api::Method method);
  /// The answer that goes on, or why there is none.
  [[nodiscard]] api::Response open(const api::Request& request);
  /// Ends the streams, each at once, and opens no more.
  void end();

 private:
  struct Hub;
  class Stream;

  void run();

  backend::Backend& backend_;
  const Monitor& monitor_;
  const std::shared_ptr<Hub> hub_;
  std::thread sampler_;
};

}  // namespace flint::http
