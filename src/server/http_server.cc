#include "server/http_server.h"

#include <algorithm>

namespace flint::server {
namespace {

/// Connections over the cap that get an answer; beyond these they are just closed.
constexpr std::size_t kMostTurnedAway = 64;
/// Requests that may read files or wait for a compaction run on so many threads at most.
constexpr std::size_t kMostWorkers = 4;

}  // namespace

HttpServer::HttpServer(Limiter& limiter, const HttpSettings& settings, Log& log)
    : settings_(settings),
      log_(log),
      core_(limiter, settings.deadlines, settings.max_blocking, std::min(settings.max_blocking, kMostWorkers)),
      accept_work_(accept_context_.get_executor()),
      turned_away_(log, "connections_refused", "Connections were refused: as many are open as the server serves") {
  for (unsigned i = 0; i < settings.threads; ++i) loops_.push_back(std::make_unique<IoLoop>(core_, log));
}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

void HttpServer::add(ListenSocket socket, AccessRules rules) {
  listeners_.push_back(std::make_unique<Listener>(
      accept_context_, std::move(socket), std::move(rules),
      [this](base::UniqueFd accepted, const AccessRules& applied) { take(std::move(accepted), applied); }, log_));
}

Status HttpServer::start() {
  for (const std::unique_ptr<Listener>& listener : listeners_) {
    if (Status status = listener->start(); !status.ok()) return status;
  }
  for (const std::unique_ptr<IoLoop>& loop : loops_) loop->start();
  accept_thread_ = std::thread([this] { accept_context_.run(); });
  return {};
}

void HttpServer::take(base::UniqueFd socket, const AccessRules& rules) {
  const std::size_t open = core_.connections.count();
  const bool turn_away = open >= settings_.max_connections;
  if (turn_away) turned_away_.happened();
  if (open >= settings_.max_connections + kMostTurnedAway) return;
  const auto least = std::min_element(loops_.begin(), loops_.end(),
                                      [](const auto& a, const auto& b) { return a->load() < b->load(); });
  (*least)->adopt(std::move(socket), rules, turn_away);
}

bool HttpServer::stop(std::chrono::milliseconds drain) {
  if (std::exchange(stopped_, true)) return true;
  core_.monitor.begin_drain();
  accept_context_.stop();
  if (accept_thread_.joinable()) accept_thread_.join();
  for (const std::unique_ptr<Listener>& listener : listeners_) listener->stop();

  for (const std::unique_ptr<IoLoop>& loop : loops_) loop->drain();
  const bool drained = wait_for_connections(0, drain);
  for (const std::unique_ptr<IoLoop>& loop : loops_) loop->join();
  core_.workers.stop();
  listeners_.clear();
  return drained;
}

}  // namespace flint::server
