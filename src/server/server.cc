#include "server/server.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/posix/descriptor_base.hpp>
#include <csignal>
#include <thread>

#include "api/audit.h"
#include "backend/local.h"
#include "base/invalid.h"
#include "flint/limiter.h"
#include "flint/version.h"
#include "net/bind_address.h"
#include "net/descriptors.h"
#include "net/event_log.h"
#include "net/listen_socket.h"
#include "server/http_server.h"
#include "server/service_manager.h"
#include "server/signals.h"

namespace flint::server {
namespace {

using base::invalid;
using std::chrono::milliseconds;

constexpr std::size_t kShortestStrongToken = 16;

// Once storage has failed, the process ends within a second, so that its supervisor reopens the directory: so long it
// answers 503, so long it finishes what is in flight, and then it ends even if a dead disk holds a thread.
constexpr milliseconds kHealthPeriod(200);
constexpr milliseconds kRefusingAfterFailure(250);
constexpr milliseconds kDrainAfterFailure(150);
constexpr milliseconds kEndAfterFailure(700);
constexpr int kStorageFailedExit = 3;

Status validate(const ServerOptions& options, const net::BindAddress& address) {
  if (options.tokens.empty() && !address.is_local()) {
    return invalid(
        fmt::format("{} can be reached from other machines: set a token, or bind a loopback address.", address.url()));
  }
  if (options.threads > kMaxThreads) {
    return invalid(fmt::format("threads must be from 0 to {}, not {}.", kMaxThreads, options.threads));
  }
  if (options.max_blocking < 1 || options.max_blocking > kMaxBlocking) {
    return invalid(fmt::format("max_blocking must be from 1 to {}, not {}.", kMaxBlocking, options.max_blocking));
  }
  return {};
}

/// By default a processor is left to those who ask and to the flusher: with all of them taken, a request waits for its
/// turn longer than it takes.
unsigned thread_count(unsigned wanted) {
  if (wanted != 0) return wanted;
  const unsigned processors = std::thread::hardware_concurrency();
  return std::clamp(processors, 2U, kMaxThreads + 1) - 1;
}

/// A core dump would hold the tokens, and so would the memory that another process of the same user can read.
void keep_memory_private() { prctl(PR_SET_DUMPABLE, 0); }

/// Of a token that others, who can reach `address`, can guess.
void report_weak_token(const net::BindAddress& address, const api::Tokens& tokens, std::vector<Finding>& findings) {
  if (address.is_local() || tokens.empty() || tokens.shortest() >= kShortestStrongToken) return;
  findings.push_back(
      {.fatal = false,
       .message = fmt::format("a token of {} has fewer than {} characters, and others can try many. Use a longer "
                              "one, such as `openssl rand -hex 32` makes.",
                              address.url(), kShortestStrongToken)});
}

/// Ends the process with the exit code of a storage failure, unless it has ended by then.
void end_by(milliseconds deadline) {
  std::thread([deadline] {
    std::this_thread::sleep_for(deadline);
    _exit(kStorageFailedExit);
  }).detach();
}

backend::Serving serving_of(const ServerOptions& options) {
  return {.process_id = getpid(),
          .sync = options.limiter.sync,
          .flush_every = options.limiter.flush_every,
          .flush_every_events = options.limiter.flush_every_events,
          .max_unsynced = options.limiter.max_unsynced,
          .max_keys = options.limiter.max_keys,
          .on_full = options.limiter.on_full,
          .exit_when_idle = options.exit_when_idle};
}

/// One run of the server, from open to close.
class Run {
 public:
  /// `passed` takes the place of binding `address`; `signals` is what catch_signals() returned.
  Run(const ServerOptions& options, net::BindAddress address, std::optional<net::ListenSocket> passed,
      const ServiceNotifier& notifier, int signals, net::EventLog& log)
      : options_(options),
        address_(std::move(address)),
        notifier_(notifier),
        log_(log),
        tokens_(options.tokens),
        gates_(options.gates),
        signals_(context_, signals),
        health_timer_(context_),
        public_socket_(std::move(passed)) {}
  ~Run() { static_cast<void>(signals_.release()); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Status run();

 private:
  Status open();
  Status listen();
  void examine();
  void await_signals();
  void take_signals();
  void read_again();
  void use_gates(const std::vector<api::Gate>& gates);
  void use_tokens(const Result<api::Tokens>& tokens, std::vector<Finding> findings);
  /// Makes the limits of the files those of the limiter that come from files.
  Status apply_limits(const std::vector<config::FileLimit>& limits);
  void watch_health();
  void watch_room();
  /// Whether nobody has used the server for as long as it may be idle.
  bool is_idle();
  Status stop();
  Status end_failed(const Status& failure);

  const ServerOptions& options_;
  net::BindAddress address_;
  const ServiceNotifier& notifier_;
  net::EventLog& log_;
  api::Tokens tokens_;
  std::vector<api::Gate> gates_;
  net::ConnectionPlaces places_;
  net::IoContext context_{1};
  /// Readable when a signal has come.
  net::asio::posix::basic_stream_descriptor<net::IoContext::executor_type> signals_;
  /// A signal's name, or that nobody needs the server.
  std::string stop_reason_;
  net::Timer health_timer_;
  /// The one beside the data directory's.
  std::optional<net::ListenSocket> public_socket_;
  std::vector<Finding> told_;
  std::unique_ptr<Limiter> limiter_;
  std::unique_ptr<backend::Backend> backend_;
  bool waits_for_room_ = false;
  std::uint64_t answers_ = 0;
  net::SteadyClock::time_point last_used_ = net::SteadyClock::now();
  std::unique_ptr<HttpServer> http_;
};

Status Run::run() {
  if (Status opened = open(); !opened.ok()) {
    if (opened.code() != Code::kClosed || !stop_was_asked()) return opened;
    take_signals();
    log_.info("stopped", fmt::format("{}: stopped before the data directory was open", stop_reason_));
    return {};
  }
  // A signal that comes from here on finds the server as it listens.
  if (stop_was_asked()) {
    take_signals();
    return stop();
  }
  if (Status listening = listen(); !listening.ok()) return listening;
  examine();
  await_signals();
  watch_health();
  context_.run();
  const Status health = limiter_->health();
  return health.ok() ? stop() : end_failed(health);
}

Status Run::open() {
  const unsigned threads = thread_count(options_.threads);
  const Result<net::ConnectionPlaces> places = net::places_of_process(threads, options_.max_connections);
  if (!places.ok()) return places.status();
  places_ = *places;
  if (places_.places < options_.max_connections) {
    log_.warning("few_descriptors",
                 fmt::format("the limit of open files allows {0} connections to the server's address and {0} to the "
                             "data directory's socket, instead of {1}. Raise it for more (`ulimit -n`, LimitNOFILE= of "
                             "systemd)",
                             places_.places, options_.max_connections));
  }
  // A port that is taken is known before anything is opened, and a free one before the lock file names it.
  if (!public_socket_ && !address_.is_unix() && !address_.is_none()) {
    Result<net::ListenSocket> tcp = net::ListenSocket::bind_tcp(address_);
    if (!tcp.ok()) return tcp.status();
    public_socket_.emplace(std::move(*tcp));
  }
  Options limiter_options = options_.limiter;
  report_weak_token(address_, tokens_, limiter_options.findings);
  limiter_options.server_address = public_socket_       ? public_socket_->url()
                                   : address_.is_none() ? "unix:" + options_.data_dir + "/flint.sock"
                                                        : address_.url();
  limiter_options.stop_opening = &stop_was_asked();
  notifier_.status("opening the data directory " + options_.data_dir);
  Result<std::unique_ptr<Limiter>> limiter = Limiter::open(options_.data_dir, limiter_options);
  if (!limiter.ok()) return limiter.status();
  limiter_ = std::move(*limiter);
  backend_ = std::make_unique<backend::LocalBackend>(*limiter_, serving_of(options_));
  const Stats stats = limiter_->stats();
  waits_for_room_ = stats.waits_for_room;
  const std::uint64_t keys = stats.keys;
  log_.info("opened", fmt::format("flint {} opened the data directory {}: {} {}, sync mode {}", version(),
                                  options_.data_dir, keys, keys == 1 ? "limit" : "limits",
                                  options_.limiter.sync == SyncMode::kAlways ? "always" : "batch"));
  told_ = std::move(limiter_options.findings);
  for (const Finding& finding : told_) log_.warning("finding", finding.message);
  if (!options_.limits) return {};
  Status applied = apply_limits(*options_.limits);
  // A full disk keeps nobody from what can be done without room.
  if (applied.code() != Code::kDiskFull) return applied;
  log_.error("configuration_kept", fmt::format("the limits are as they were. {}", applied.message()));
  return {};
}

Status Run::listen() {
  Deadlines deadlines = options_.deadlines;
  // A connection that is kept but not used is no use of the server.
  if (options_.exit_when_idle) deadlines.idle = std::min(deadlines.idle, *options_.exit_when_idle);
  http_ = std::make_unique<HttpServer>(*backend_,
                                       HttpSettings{.max_blocking = options_.max_blocking,
                                                    .top_denied = options_.top_denied,
                                                    .threads = thread_count(options_.threads),
                                                    .places = places_,
                                                    .tokens = tokens_,
                                                    .gates = http::Gates(gates_),
                                                    .deadlines = deadlines},
                                       log_);
  std::vector<std::string> listening;
  const auto add = [&](net::ListenSocket socket, http::AccessRules rules) {
    listening.push_back(fmt::format("listening on {} {}", socket.url(),
                                    rules.asks_for_token ? "for requests with a token" : "without a token"));
    rules.refuse_carried_limits = !options_.carried_limits;
    http_->add(std::move(socket), rules);
  };
  Result<net::ListenSocket> local = net::ListenSocket::bind_in_data_dir(options_.data_dir);
  // Other failures pass, such as too many open files: started again, the server will have its socket.
  const bool needs_local = !public_socket_ && address_.is_none();
  if (!local.ok() && (needs_local || local.code() != Code::kPermission)) return local.status();
  if (!local.ok()) {
    log_.warning("no_local_socket",
                 fmt::format("{} Commands in the data directory do not find this server by themselves: give them "
                             "--server.",
                             local.status().message()));
  }
  if (!public_socket_ && address_.is_unix()) {
    Result<net::ListenSocket> named = net::ListenSocket::bind_unix(address_.path);
    if (!named.ok()) return named.status();
    public_socket_.emplace(std::move(*named));
  }
  const std::string url = public_socket_ ? public_socket_->url() : local->url();
  if (public_socket_) {
    add(*std::move(public_socket_),
        address_.is_unix() ? http::unix_rules(!tokens_.empty()) : http::tcp_rules(!tokens_.empty()));
  }
  if (local.ok()) add(std::move(*local), http::owner_rules());
  if (Status started = http_->start(); !started.ok()) return started;
  for (const std::string& line : listening) log_.info("listening", line);
  notifier_.ready("serving " + options_.data_dir + " on " + url);
  if (options_.ready) options_.ready();
  last_used_ = net::SteadyClock::now();
  return {};
}

/// Reads all files once more, which nobody has to wait for, signals least of all.
void Run::examine() {
  http_->submit(api::Effect::kExamines, [this] {
    for (const Finding& finding : limiter_->doctor().findings) {
      const auto is_it = [&finding](const Finding& told) { return told.message == finding.message; };
      if (std::none_of(told_.begin(), told_.end(), is_it)) log_.warning("finding", finding.message);
    }
  });
}

void Run::await_signals() {
  signals_.async_wait(net::asio::posix::descriptor_base::wait_read, [this](net::error_code failed) {
    if (failed) return;
    take_signals();
    stop_was_asked() ? context_.stop() : await_signals();
  });
}

void Run::take_signals() {
  for (const int number : server::take_signals()) {
    if (number == SIGHUP) {
      // Before it listens, the server has read the tokens this very moment, or ends.
      if (http_ != nullptr) read_again();
    } else if (number == SIGUSR1 || number == SIGUSR2) {
      log_.info("signal", fmt::format("{}: ignored", signal_name(number)));
    } else {
      stop_reason_ = signal_name(number);
    }
  }
}

void Run::read_again() {
  if (!options_.read_again) {
    log_.info("signal", fmt::format("SIGHUP: there is nothing to read again: {}. Options are read only at the start",
                                    tokens_.empty() ? "the server has no token"
                                                    : "the token does not come from a file (--token-file)"));
    return;
  }
  const ReadAgain again = options_.read_again();
  for (const std::string& problem : again.problems) log_.error("configuration_kept", "SIGHUP: " + problem);
  if (!again.problems.empty()) {
    log_.error("configuration_kept",
               "SIGHUP: configuration and limits are unchanged, because of what is wrong in them");
  } else if (again.limits) {
    for (const std::string& option : again.need_restart) {
      log_.warning("needs_restart",
                   fmt::format("SIGHUP: {} has changed, which takes a restart to have effect", option));
    }
    if (Status applied = apply_limits(*again.limits); applied.ok()) {
      use_gates(again.gates);
    } else {
      log_.error("configuration_kept", fmt::format("SIGHUP: limits and gates are unchanged. {}", applied.message()));
    }
  }
  if (again.tokens) use_tokens(*again.tokens, again.findings);
}

Status Run::apply_limits(const std::vector<config::FileLimit>& limits) {
  std::vector<NamedLimit> named;
  named.reserve(limits.size());
  for (const config::FileLimit& limit : limits) named.push_back(limit.named());
  const Result<LimitChanges> changes = limiter_->apply(named, {.prune = true, .from_file = true});
  if (!changes.ok()) {
    return {changes.code(), config::describe(config::problem_of(limits, changes.status()))};
  }
  std::string told;
  api::note_changes(told, *changes);
  log_.info("limits_read", fmt::format("the files give {} {}{}", limits.size(), limits.size() == 1 ? "limit" : "limits",
                                       told.empty() ? ", all as they were" : ": " + told));
  return {};
}

void Run::use_gates(const std::vector<api::Gate>& gates) {
  if (gates == gates_) return;
  gates_ = gates;
  http_->set_gates(http::Gates(gates_));
  log_.info("gates_read", fmt::format("SIGHUP: the configuration file has other gates: {} now", gates_.size()));
}

void Run::use_tokens(const Result<api::Tokens>& tokens, std::vector<Finding> findings) {
  if (!tokens.ok()) {
    log_.error("token_kept", fmt::format("SIGHUP: the tokens are unchanged. {}", tokens.status().message()));
    return;
  }
  report_weak_token(address_, *tokens, findings);
  for (const Finding& finding : findings) log_.warning("finding", finding.message);
  if (*tokens == tokens_) {
    log_.info("token_kept", "SIGHUP: the token file contains the same tokens as before");
    return;
  }
  tokens_ = *tokens;
  http_->set_tokens(tokens_);
  log_.info("token_replaced",
            fmt::format("SIGHUP: the token file was read again: requests now need {}",
                        tokens_.size() == 1 ? "the new token" : fmt::format("one of its {} tokens", tokens_.size())));
}

void Run::watch_health() {
  health_timer_.expires_after(kHealthPeriod);
  health_timer_.async_wait([this](net::error_code error) {
    if (error) return;
    if (!limiter_->health().ok()) return context_.stop();
    watch_room();
    if (is_idle()) return context_.stop();
    watch_health();
  });
}

/// That there was none is a finding of the open.
void Run::watch_room() {
  if (!waits_for_room_ || limiter_->stats().waits_for_room) return;
  waits_for_room_ = false;
  log_.info("room_again", "the disk has room again: all requests are served and logged");
}

/// A look at the counters now and then, so that a request pays nothing for it. Who connects from here on is refused, or
/// finds the connection closed before its request was read: either way nothing was decided.
bool Run::is_idle() {
  if (!options_.exit_when_idle) return false;
  const net::SteadyClock::time_point now = net::SteadyClock::now();
  const std::uint64_t answers = http_->answers();
  if (std::exchange(answers_, answers) != answers) last_used_ = now;
  if (now - last_used_ < *options_.exit_when_idle || http_->connections() > 0) return false;
  stop_reason_ = fmt::format("not used for {} ms", options_.exit_when_idle->count());
  return true;
}

Status Run::stop() {
  notifier_.stopping("finishing requests in progress");
  log_.info("stopping",
            fmt::format("{}: no more connections are accepted; finishing requests in progress", stop_reason_));
  if (http_ != nullptr && !http_->stop(options_.deadlines.drain)) {
    log_.warning("drain_timed_out",
                 "some connections were closed before their requests were finished: the time to drain had expired");
  }
  Status closed = limiter_->close();
  if (closed.ok()) {
    log_.info("stopped", "stopped");
  } else {
    log_.error("close_failed", closed.message());
  }
  return closed;
}

Status Run::end_failed(const Status& failure) {
  end_by(kEndAfterFailure);
  notifier_.stopping(failure.message());
  log_.error("storage_failed", failure.message());
  log_.error("stopping", "storage has failed: the server ends so that it can be restarted");
  std::this_thread::sleep_for(kRefusingAfterFailure);
  http_->stop(kDrainAfterFailure);
  return failure;
}

Result<std::unique_ptr<net::EventLog>> open_log(const ServerOptions& options) {
  if (!options.log_file.empty()) return net::EventLog::open(options.log_level, options.log_format, options.log_file);
  return std::make_unique<net::EventLog>(options.log_level, options.log_format);
}

Status serve(const ServerOptions& options, const ServiceNotifier& notifier) {
  Result<std::optional<PassedSocket>> passed = take_passed_socket();
  if (!passed.ok()) return passed.status();
  Result<net::BindAddress> address = *passed ? (*passed)->address : net::parse_bind_address(options.bind);
  if (!address.ok()) return address.status();
  if (Status valid = validate(options, *address); !valid.ok()) return valid;
  const Result<int> signals = catch_signals();
  if (!signals.ok()) return signals.status();
  umask(0077);
  if (!options.tokens.empty()) keep_memory_private();
  Result<std::unique_ptr<net::EventLog>> opened = open_log(options);
  if (!opened.ok()) return opened.status();
  net::EventLog& log = **opened;
  Status status;
  {
    std::optional<net::ListenSocket> adopted;
    if (*passed) adopted = net::ListenSocket::adopt(std::move((*passed)->fd), *address);
    Run run(options, *std::move(address), std::move(adopted), notifier, *signals, log);
    status = run.run();
  }
  ignore_signals();
  return status;
}

}  // namespace

Status validate_bind(std::string_view bind) { return net::parse_bind_address(bind).status(); }

Status run_server(const ServerOptions& options) {
  const ServiceNotifier notifier = take_service_notifier();
  Status status = serve(options, notifier);
  if (!status.ok()) notifier.status("failed: " + status.message());
  return status;
}

}  // namespace flint::server
