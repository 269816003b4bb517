#include "cli/bus_error.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Everything here runs in a signal handler: no memory is allocated, no lock taken, no library called that could.
namespace flint::cli {
namespace {

/// Text of limited length; what does not fit is left out.
class Text {
 public:
  Text& operator<<(std::string_view text) {
    for (const char c : text) put(c);
    return *this;
  }
  Text& operator<<(std::uint64_t number) {
    std::array<char, 20> digits{};
    std::size_t first = digits.size();
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    return *this << std::string_view(digits.data() + first, digits.size() - first);
  }
  void put(char c) {
    if (size_ < text_.size()) text_[size_++] = c;
  }
  void clear() { size_ = 0; }
  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, 6000> text_{};  // the longest path has 4,096 bytes
  std::size_t size_ = 0;
};

/// Takes a hexadecimal number and the character behind it from the front.
std::uint64_t take_number(std::string_view& text) {
  std::uint64_t number = 0;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c >= '0' && c <= '9') {
      number = number * 16 + static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      number = number * 16 + static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      break;
    }
  }
  return number;
}

/// "7f0000000000-7f0000100000 rw-s 00000000 08:01 12345   /var/lib/flint/log-000000000001.flog"; true when that is what
/// is mapped at `address`. Then `says` gets the place.
bool describe_mapping(std::string_view line, std::uint64_t address, Text& says) {
  const std::uint64_t begin = take_number(line);
  const std::uint64_t end = take_number(line);
  if (address < begin || address >= end) return false;
  line.remove_prefix(line.find(' ') + 1);
  const std::uint64_t offset = take_number(line);
  const std::size_t path = line.find('/');
  if (path == std::string_view::npos) return false;
  says << "byte " << offset + (address - begin) << " of ";
  for (const char c : line.substr(path)) says.put(c < ' ' || c == 0x7f ? '?' : c);
  return true;
}

bool find_mapping(std::uint64_t address, Text& line, Text& says) {
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  bool found = false;
  std::array<char, 1024> piece{};
  for (ssize_t got = 0; !found && (got = ::read(maps, piece.data(), piece.size())) > 0;) {
    for (const char c : std::string_view(piece.data(), static_cast<std::size_t>(got))) {
      if (c != '\n') {
        line.put(c);
        continue;
      }
      found = describe_mapping(line.view(), address, says);
      line.clear();
      if (found) break;
    }
  }
  ::close(maps);
  return found;
}

std::string_view cause_of(int code) {
  if (code == BUS_MCEERR_AR || code == BUS_MCEERR_AO) return "the machine's memory failed there";
  if (code <= 0) return "a process sent the signal";
  return "the file system has no room for it, cannot read or write it, or the file was cut off";
}

// Static, because the stack of the thread may be small. Only the first thread uses them.
Text maps_line;
Text message;
std::atomic_flag explained = ATOMIC_FLAG_INIT;

void handle(int signal, siginfo_t* info, void* /*context*/) {
  // The first thread ends the process when it returns. Another one waits here: its own fault would end the process
  // before the line is printed.
  while (explained.test_and_set()) ::pause();
  message << "flint: killed by SIGBUS";
  if (info->si_code > 0) {
    message << " at ";
    if (!find_mapping(reinterpret_cast<std::uint64_t>(info->si_addr), maps_line, message)) {
      message << "an address that is not of a file";
    }
  }
  message << ": " << cause_of(info->si_code)
          << ". Check the disk, then start again: recovery keeps what was acknowledged. A server with --no-map gets an "
             "error instead.\n";
  static_cast<void>(!::write(STDERR_FILENO, message.view().data(), message.view().size()));
  static_cast<void>(std::signal(signal, SIG_DFL));
  static_cast<void>(std::raise(signal));  // comes when this returns
}

}  // namespace

void explain_bus_errors() {
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  static_cast<void>(::sigaction(SIGBUS, &action, nullptr));
}

}  // namespace flint::cli
