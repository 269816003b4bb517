#include "http/events.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/url.h"
#include "http/sample.h"

namespace flint::http {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::string_view kPath = "/v1/events";
constexpr auto kInterval = std::chrono::seconds(1);

}  // namespace

/// What the streams and the sampler share. It outlives both, since a stream lives as long as its connection.
struct Events::Hub {
  std::mutex mutex;
  std::condition_variable changed;
  /// Of open streams, also of those that read no further.
  std::size_t streams = 0;
  std::vector<api::Response::TakePiece> waiting;
  /// The newest sample, as an event, and its number.
  std::string newest;
  std::uint64_t number = 0;
  bool ended = false;
};

/// One stream, counted as long as its connection keeps it.
class Events::Stream {
 public:
  /// The hub has counted it. What was before is not for it.
  Stream(std::shared_ptr<Hub> hub, std::uint64_t seen) : hub_(std::move(hub)), seen_(seen) {}
  ~Stream() {
    const std::lock_guard lock(hub_->mutex);
    --hub_->streams;
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// The next sample: now if there is one that it has not had, else when there is.
  void next(const api::Response::TakePiece& take) {
    std::unique_lock lock(hub_->mutex);
    if (hub_->ended) {
      lock.unlock();
      return take(false, {});
    }
    if (seen_ == hub_->number) {
      // Whoever waits is served by the next sample, which is this one's number plus one.
      ++seen_;
      hub_->waiting.push_back(take);
      return;
    }
    seen_ = hub_->number;
    std::string newest = hub_->newest;
    lock.unlock();
    take(true, std::move(newest));
  }

 private:
  const std::shared_ptr<Hub> hub_;
  std::uint64_t seen_;
};

Events::Events(backend::Backend& backend, const Monitor& monitor)
    : backend_(backend), monitor_(monitor), hub_(std::make_shared<Hub>()), sampler_([this] { run(); }) {}

Events::~Events() {
  end();
  sampler_.join();
}

bool Events::has(std::string_view path) noexcept { return path == kPath; }

api::Service::Route Events::route(api::Method method) {
  api::Service::Route route;
  route.roles = {.check = true, .metrics = true};
  if (method == api::Method::kGet) return route;
  route.error = api::error_response(405, "method_not_allowed", "This path does not accept this method.");
  route.error->fields = "Allow: GET, HEAD\r\n";
  return route;
}

api::Response Events::open(const api::Request& request) {
  if (!request.query.empty()) {
    if (Status status = api::Query::parse(request.query, {}).status(); !status.ok()) {
      return api::failure_response(status);
    }
  }
  std::shared_ptr<Stream> stream;
  {
    const std::lock_guard lock(hub_->mutex);
    if (hub_->ended || hub_->streams == kMaxStreams) {
      return api::error_response(503, "too_many_streams",
                                 hub_->ended ? "The server is about to stop: it opens no more streams."
                                             : "64 streams of events are open, which is the most: close one of them.");
    }
    ++hub_->streams;
    stream = std::make_shared<Stream>(hub_, hub_->number);
  }
  hub_->changed.notify_one();
  api::Response response;
  response.content_type = "text/event-stream";
  response.fields = "X-Accel-Buffering: no\r\n";  // nginx passes each sample on as it comes
  // Something for a client that waits for the first bytes; a comment is no event.
  response.body = ": a sample a second\n\n";
  response.more = [stream = std::move(stream)](const api::Response::TakePiece& take) { stream->next(take); };
  return response;
}

void Events::end() {
  std::vector<api::Response::TakePiece> waiting;
  {
    const std::lock_guard lock(hub_->mutex);
    hub_->ended = true;
    waiting.swap(hub_->waiting);
  }
  hub_->changed.notify_one();
  for (const api::Response::TakePiece& take : waiting) take(false, {});
}

/// The time of a sample is from the one before, so that its rates are right also where the machine was late. Without
/// streams there are no samples; the first one after a pause begins anew.
void Events::run() {
  std::unique_lock lock(hub_->mutex);
  while (!hub_->ended) {
    hub_->changed.wait(lock, [&] { return hub_->streams > 0 || hub_->ended; });
    if (hub_->ended) return;
    lock.unlock();
    Sampler sampler(backend_, monitor_);
    auto next = SteadyClock::now();
    lock.lock();
    while (hub_->streams > 0 && !hub_->ended) {
      next = std::max(next + kInterval, SteadyClock::now());
      if (hub_->changed.wait_until(lock, next, [&] { return hub_->ended; })) return;
      lock.unlock();
      std::string event = "data: " + sampler.next() + "\n\n";
      lock.lock();
      hub_->newest = std::move(event);
      ++hub_->number;
      std::vector<api::Response::TakePiece> waiting = std::exchange(hub_->waiting, {});
      const std::string newest = hub_->newest;
      lock.unlock();
      for (const api::Response::TakePiece& take : waiting) take(true, newest);
      waiting.clear();
      lock.lock();
    }
  }
}

}  // namespace flint::http
