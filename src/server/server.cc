#include "server/server.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstring>
#include <thread>

#include "flint/limiter.h"
#include "flint/version.h"
#include "server/bind_address.h"
#include "server/http_server.h"
#include "server/listen_socket.h"
#include "server/log.h"
#include "server/service_manager.h"

namespace flint::server {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kShortestStrongToken = 16;
constexpr std::size_t kMostTokenBytes = 512;

// Once storage has failed, the process ends within a second, so that its supervisor reopens the directory: so long it
// answers 503, so long it finishes what is in flight, and then it ends even if a dead disk holds a thread.
constexpr milliseconds kHealthPeriod(200);
constexpr milliseconds kRefusingAfterFailure(250);
constexpr milliseconds kDrainAfterFailure(150);
constexpr milliseconds kEndAfterFailure(700);
constexpr int kStorageFailedExit = 3;

Status invalid(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }

Status validate(const ServerOptions& options, const BindAddress& address) {
  const std::string& token = options.token;
  const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (token.size() > kMostTokenBytes || !visible) {
    return invalid(fmt::format("The token must be 1 to {} visible ASCII characters without spaces.", kMostTokenBytes));
  }
  if (token.empty() && !address.is_local()) {
    return invalid(
        fmt::format("{} can be reached from other machines: set a token, or bind a loopback address.", address.url()));
  }
  if (options.threads > kMostThreads) {
    return invalid(fmt::format("threads must be from 0 to {}, not {}.", kMostThreads, options.threads));
  }
  if (options.max_blocking < 1 || options.max_blocking > kMostBlocking) {
    return invalid(fmt::format("max_blocking must be from 1 to {}, not {}.", kMostBlocking, options.max_blocking));
  }
  return {};
}

unsigned thread_count(unsigned wanted) {
  return wanted != 0 ? wanted : std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
}

/// As many connections as the server takes (max_connections twice, and some) need more descriptors than the usual limit
/// of 1,024, which exists for programs that use select().
void allow_descriptors() {
  constexpr rlim_t kEnough = 4096;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnough) return;
  limit.rlim_cur = std::min(kEnough, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// A core dump would hold the token, and so would the memory that another process of the same user can read.
void keep_memory_private() { prctl(PR_SET_DUMPABLE, 0); }

void prepare_process() {
  allow_descriptors();
  umask(0077);
  std::signal(SIGPIPE, SIG_IGN);
  // Until they are handled, these must not end a server that starts.
  for (const int number : {SIGHUP, SIGUSR1, SIGUSR2}) std::signal(number, SIG_IGN);
}

std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  return name == nullptr ? fmt::format("signal {}", number) : fmt::format("SIG{}", name);
}

/// Ends the process with the exit code of a storage failure, unless it has ended by then.
void end_by(milliseconds deadline) {
  std::thread([deadline] {
    std::this_thread::sleep_for(deadline);
    _exit(kStorageFailedExit);
  }).detach();
}

/// One run of the server, from open to close.
class Run {
 public:
  /// `passed` takes the place of binding `address`.
  Run(const ServerOptions& options, BindAddress address, std::optional<ListenSocket> passed,
      const ServiceNotifier& notifier, Log& log)
      : options_(options),
        address_(std::move(address)),
        notifier_(notifier),
        log_(log),
        signals_(context_),
        health_timer_(context_),
        public_socket_(std::move(passed)) {}

  Status open();
  Status serve();

 private:
  Status listen();
  void watch_signals();
  void await_signal();
  void watch_health();
  void watch_room();
  Status stop();
  Status end_failed(const Status& failure);

  const ServerOptions& options_;
  BindAddress address_;
  const ServiceNotifier& notifier_;
  Log& log_;
  IoContext context_{1};
  asio::signal_set signals_;
  std::string stop_signal_;
  Timer health_timer_;
  /// The one beside the data directory's.
  std::optional<ListenSocket> public_socket_;
  std::unique_ptr<Limiter> limiter_;
  bool waits_for_room_ = false;
  std::unique_ptr<HttpServer> http_;
};

Status Run::open() {
  // A port that is taken is known before anything is opened, and a free one before the lock file names it.
  if (!public_socket_ && !address_.is_unix()) {
    Result<ListenSocket> tcp = ListenSocket::bind_tcp(address_);
    if (!tcp.ok()) return tcp.status();
    public_socket_.emplace(std::move(*tcp));
  }
  Options limiter_options = options_.limiter;
  if (!address_.is_local() && options_.token.size() < kShortestStrongToken) {
    limiter_options.findings.push_back(
        {.fatal = false,
         .message =
             fmt::format("the token of {} has fewer than {} characters, and others can try many. Use a longer one, "
                         "such as `openssl rand -hex 32` makes.",
                         address_.url(), kShortestStrongToken)});
  }
  limiter_options.server_address = public_socket_ ? public_socket_->url() : address_.url();
  notifier_.status("opening the data directory " + options_.data_dir);
  Result<std::unique_ptr<Limiter>> limiter = Limiter::open(options_.data_dir, limiter_options);
  if (!limiter.ok()) return limiter.status();
  limiter_ = std::move(*limiter);
  const Stats stats = limiter_->stats();
  waits_for_room_ = stats.waits_for_room;
  const std::uint64_t keys = stats.keys;
  log_.info("opened", fmt::format("flint {} opened the data directory {}: {} {}, sync mode {}", version(),
                                  options_.data_dir, keys, keys == 1 ? "limit" : "limits",
                                  options_.limiter.sync == SyncMode::kAlways ? "always" : "batch"));
  if (Status listening = listen(); !listening.ok()) return listening;
  // Reads all files once more, which nobody has to wait for.
  for (const Finding& finding : limiter_->doctor().findings) log_.warning("finding", finding.message);
  return {};
}

Status Run::listen() {
  // From here on a signal stops the server in order. An earlier SIGTERM ends the process, which recovery withstands.
  watch_signals();
  http_ = std::make_unique<HttpServer>(*limiter_,
                                       HttpSettings{.max_blocking = options_.max_blocking,
                                                    .threads = thread_count(options_.threads),
                                                    .max_connections = options_.max_connections,
                                                    .deadlines = options_.deadlines},
                                       log_);
  std::vector<std::string> listening;
  const auto add = [&](ListenSocket socket, AccessRules rules) {
    listening.push_back(fmt::format("listening on {} {}", socket.url(),
                                    rules.token.empty() ? "without a token" : "for requests with the token"));
    http_->add(std::move(socket), std::move(rules));
  };
  Result<ListenSocket> local = ListenSocket::bind_in_data_dir(options_.data_dir);
  // Other failures pass, such as too many open files: started again, the server will have its socket.
  if (!local.ok() && local.code() != Code::kPermission) return local.status();
  if (!local.ok()) {
    log_.warning("no_local_socket",
                 fmt::format("{} Commands in the data directory do not find this server by themselves: give them "
                             "--server.",
                             local.status().message()));
  }
  if (!public_socket_) {
    Result<ListenSocket> named = ListenSocket::bind_unix(address_.path);
    if (!named.ok()) return named.status();
    public_socket_.emplace(std::move(*named));
  }
  const std::string url = public_socket_->url();
  add(*std::move(public_socket_), address_.is_unix() ? unix_rules(options_.token) : tcp_rules(options_.token));
  if (local.ok()) add(std::move(*local), owner_rules());
  if (Status started = http_->start(); !started.ok()) return started;
  for (const std::string& line : listening) log_.info("listening", line);
  notifier_.ready("serving " + options_.data_dir + " on " + url);
  return {};
}

/// Every signal that ends a process by default and can be caught, except those that report a fault of the program: none
/// of them ends the server without a line in the log and a clean close.
void Run::watch_signals() {
  error_code error;
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU, SIGIO, SIGPWR, SIGSTKFLT,
                           SIGHUP, SIGUSR1, SIGUSR2}) {
    signals_.add(number, error);
  }
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) signals_.add(number, error);
  await_signal();
}

void Run::await_signal() {
  signals_.async_wait([this](error_code failed, int number) {
    if (failed) return;
    if (number == SIGHUP) {
      log_.info("signal", "SIGHUP: there is nothing to read again; options and the token are read at the start only");
      return await_signal();
    }
    if (number == SIGUSR1 || number == SIGUSR2) {
      log_.info("signal", fmt::format("{}: ignored", signal_name(number)));
      return await_signal();
    }
    stop_signal_ = signal_name(number);
    context_.stop();
  });
}

void Run::watch_health() {
  health_timer_.expires_after(kHealthPeriod);
  health_timer_.async_wait([this](error_code error) {
    if (error) return;
    if (!limiter_->health().ok()) return context_.stop();
    watch_room();
    watch_health();
  });
}

/// That there was none is a finding of the open.
void Run::watch_room() {
  if (!waits_for_room_ || limiter_->stats().waits_for_room) return;
  waits_for_room_ = false;
  log_.info("room_again", "there is room on the disk again: everything is answered, and logged");
}

Status Run::serve() {
  watch_health();
  context_.run();
  const Status health = limiter_->health();
  return health.ok() ? stop() : end_failed(health);
}

Status Run::stop() {
  // The next signal to stop has its default effect: it ends the process at once. Others stay without effect.
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) signals_.remove(number);
  notifier_.stopping("finishing what is in flight");
  log_.info("stopping", fmt::format("{}: no more connections are accepted; finishing what is in flight", stop_signal_));
  if (!http_->stop(options_.deadlines.drain)) {
    log_.warning("drain_timed_out",
                 "some connections were closed before their requests were finished: the time to drain was over");
  }
  const Status closed = limiter_->close();
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
  log_.error("stopping", "storage has failed: the server ends, to be started again");
  std::this_thread::sleep_for(kRefusingAfterFailure);
  http_->stop(kDrainAfterFailure);
  return failure;
}

Status serve(const ServerOptions& options, const ServiceNotifier& notifier) {
  Result<std::optional<PassedSocket>> passed = take_passed_socket();
  if (!passed.ok()) return passed.status();
  Result<BindAddress> address = *passed ? (*passed)->address : parse_bind_address(options.bind);
  if (!address.ok()) return address.status();
  if (Status valid = validate(options, *address); !valid.ok()) return valid;
  prepare_process();
  if (!options.token.empty()) keep_memory_private();
  Log log(options.log_level, options.log_format);
  std::optional<ListenSocket> adopted;
  if (*passed) adopted = ListenSocket::adopt(std::move((*passed)->fd), *address);
  Run run(options, *std::move(address), std::move(adopted), notifier, log);
  if (Status opened = run.open(); !opened.ok()) return opened;
  return run.serve();
}

}  // namespace

Status run_server(const ServerOptions& options) {
  const ServiceNotifier notifier = take_service_notifier();
  Status status = serve(options, notifier);
  if (!status.ok()) notifier.status("failed: " + status.message());
  return status;
}

}  // namespace flint::server
