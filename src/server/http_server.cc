#include "server/http_server.h"

#include <algorithm>
#include <latch>

#include "server/connection.h"

namespace flint::server {

HttpServer::HttpServer(backend::Backend& backend, const HttpSettings& settings, net::EventLog& log)
    : log_(log),
      core_(backend, settings.deadlines, settings.places, settings.max_blocking, settings.top_denied),
      accept_work_(accept_context_.get_executor()),
      turned_away_(log, "connections_refused", "Connections were refused: the server already has as many as it serves"),
      dropped_(log, "connections_dropped",
               "Connections without an accepted request were closed to make room for others") {
  for (unsigned i = 0; i < settings.threads; ++i)
    hosts_.push_back(std::make_unique<ConnectionHost>(core_, settings.tokens, settings.gates, log));
}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

void HttpServer::add(net::ListenSocket socket, http::AccessRules rules) {
  listeners_.push_back(std::make_unique<net::Listener>(
      accept_context_, std::move(socket),
      [this, &kept = rules_.emplace_back(rules)](base::UniqueFd accepted, std::optional<base::IpAddress> client) {
        take(std::move(accepted), kept, client);
      },
      log_));
}

Status HttpServer::start() {
  for (const std::unique_ptr<net::Listener>& listener : listeners_) {
    if (Status status = listener->start(); !status.ok()) return status;
  }
  for (const std::unique_ptr<ConnectionHost>& host : hosts_) host->loop().start();
  accept_thread_ = std::thread([this] { accept_context_.run(); });
  return {};
}

void HttpServer::set_tokens(const api::Tokens& tokens) {
  const auto taken = std::make_shared<std::latch>(static_cast<std::ptrdiff_t>(hosts_.size()));
  for (const std::unique_ptr<ConnectionHost>& host : hosts_) host->set_tokens(tokens, [taken] { taken->count_down(); });
  taken->wait();
}

void HttpServer::set_gates(const http::Gates& gates) {
  for (const std::unique_ptr<ConnectionHost>& host : hosts_) host->set_gates(gates);
}

void HttpServer::take(base::UniqueFd socket, const http::AccessRules& rules, std::optional<base::IpAddress> client) {
  const auto least = std::min_element(hosts_.begin(), hosts_.end(),
                                      [](const auto& a, const auto& b) { return a->loop().load() < b->loop().load(); });
  ConnectionHost& host = **least;
  auto visitor = std::make_shared<net::Visitor>();
  visitor->is_owner = rules.is_owners;
  if (client) visitor->client = client->client();
  visitor->context = &host.loop().context();
  const net::ConnectionTable::Entered entered = core_.connections.enter(visitor);
  if (entered.gives_way) {
    dropped_.happened();
    entered.gives_way->give_way();
  }
  if (entered.entry != net::ConnectionTable::Entry::kServed) turned_away_.happened();
  if (entered.entry == net::ConnectionTable::Entry::kRefused) return;
  const bool for_probes = entered.entry == net::ConnectionTable::Entry::kForProbes;
  host.loop().adopt(std::move(socket), visitor, [&host, &rules, visitor, for_probes](net::Socket adopted) {
    return std::make_shared<Connection>(host, std::move(adopted), rules, visitor, for_probes);
  });
}

/// From the outside inwards: no new connections, then the open ones, then the threads that work for them. The loops end
/// before the workers, so that no connection submits a job to a pool that is gone; a job that ends after its loop posts
/// to a context that no thread runs any more. The workers end before the loops are destroyed, because jobs hold
/// connections, whose sockets belong to their loop.
bool HttpServer::stop(std::chrono::milliseconds drain) {
  if (std::exchange(stopped_, true)) return true;
  core_.monitor.begin_drain();
  core_.events.end();
  accept_context_.stop();
  if (accept_thread_.joinable()) accept_thread_.join();
  for (const std::unique_ptr<net::Listener>& listener : listeners_) listener->stop();

  for (const std::unique_ptr<ConnectionHost>& host : hosts_) host->loop().drain();
  const bool drained = wait_for_connections(0, drain);
  for (const std::unique_ptr<ConnectionHost>& host : hosts_) host->loop().join();
  for (const api::Effect effect : {api::Effect::kFlushes, api::Effect::kScans, api::Effect::kExamines})
    core_.workers(effect).stop();
  listeners_.clear();
  return drained;
}

}  // namespace flint::server
