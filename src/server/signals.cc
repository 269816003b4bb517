#include "server/signals.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <system_error>

namespace flint::server {
namespace {

constexpr std::array kStopping = {SIGTERM, SIGINT,  SIGQUIT, SIGALRM, SIGVTALRM,
                                  SIGPROF, SIGXCPU, SIGIO,   SIGPWR,  SIGSTKFLT};
constexpr std::array kHarmless = {SIGHUP, SIGUSR1, SIGUSR2};
constexpr std::array kUrgent = {SIGTERM, SIGINT, SIGQUIT};
constexpr int kLastSignal = 64;

// What the handler touches. A bit a signal, so that nothing is lost however many come before anybody looks.
std::atomic<std::uint64_t> noted = 0;
std::atomic<bool> stop_asked = false;
std::atomic<int> wakes = -1;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free);

constexpr std::uint64_t bit_of(int number) { return std::uint64_t{1} << (number - 1); }

void set_action(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  // Fails for no signal that is named here.
  static_cast<void>(sigaction(number, &action, nullptr));
}

/// Runs in the middle of anything: touches what is above and nothing else.
void note(int number) {
  const int error = errno;
  noted.fetch_or(bit_of(number));
  if (std::find(kHarmless.begin(), kHarmless.end(), number) == kHarmless.end()) stop_asked = true;
  if (std::find(kUrgent.begin(), kUrgent.end(), number) != kUrgent.end()) {
    for (const int urgent : kUrgent) set_action(urgent, SIG_DFL);
  }
  const std::uint64_t one = 1;
  // Cannot fail but when the descriptor is readable already.
  static_cast<void>(!write(wakes, &one, sizeof(one)));
  errno = error;
}

template <typename Act>
void for_each_signal(const Act& act) {
  std::for_each(kStopping.begin(), kStopping.end(), act);
  std::for_each(kHarmless.begin(), kHarmless.end(), act);
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) act(number);
}

}  // namespace

Result<int> catch_signals() {
  wakes = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wakes == -1) {
    return Status(Code::kIoError, fmt::format("Cannot handle signals: {}.", std::generic_category().message(errno)));
  }
  set_action(SIGPIPE, SIG_IGN);
  for_each_signal([](int number) { set_action(number, note); });
  return wakes.load();
}

const std::atomic<bool>& stop_was_asked() { return stop_asked; }

std::vector<int> take_signals() {
  std::uint64_t count = 0;
  // First, so that a signal that comes now makes the descriptor readable again.
  static_cast<void>(!read(wakes, &count, sizeof(count)));
  const std::uint64_t taken = noted.exchange(0);
  std::vector<int> numbers;
  for (int number = 1; number <= kLastSignal; ++number) {
    if ((taken & bit_of(number)) != 0) numbers.push_back(number);
  }
  return numbers;
}

void ignore_signals() {
  for_each_signal([](int number) { set_action(number, SIG_IGN); });
}

std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  return name == nullptr ? fmt::format("signal {}", number) : fmt::format("SIG{}", name);
}

}  // namespace flint::server
