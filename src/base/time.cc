#include "flint/time.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <ctime>

#include "base/assert.h"
#include "base/unique_fd.h"

namespace flint {
namespace {

Nanos read_clock(clockid_t id) noexcept {
  timespec now{};
  FLINT_ASSERT(clock_gettime(id, &now) == 0);
  return std::chrono::seconds(now.tv_sec) + Nanos(now.tv_nsec);
}

int hex_digit(char character) noexcept {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  return -1;
}

/// The kernel's name of this boot, a UUID in text. A container may have a boot-time clock of its own (a time
/// namespace): its number makes another boot of it.
BootId read_boot_id() noexcept {
  BootId boot{};
  std::array<char, 36> text{};
  const base::UniqueFd file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (!file.valid() || ::read(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return {};
  std::size_t digits = 0;
  for (const char character : text) {
    if (character == '-') continue;
    const int digit = hex_digit(character);
    if (digit < 0 || digits == 2 * boot.size()) return {};
    boot[digits / 2] |= static_cast<std::byte>(digits % 2 == 0 ? digit << 4 : digit);
    ++digits;
  }
  if (digits != 2 * boot.size()) return {};
  struct stat name_space {};
  const std::uint64_t number = ::stat("/proc/self/ns/time", &name_space) == 0 ? name_space.st_ino : 0;
  for (std::size_t i = 0; i < sizeof(number); ++i) boot[i] ^= static_cast<std::byte>(number >> (8 * i));
  return boot;
}

/// CLOCK_BOOTTIME and not CLOCK_MONOTONIC: quota must refill while a machine sleeps. It starts anew with each boot, so
/// its readings are only comparable together with the boot's id.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] ClockReading read() const noexcept override {
    return {WallTime(read_clock(CLOCK_REALTIME)), read_clock(CLOCK_BOOTTIME)};
  }
  [[nodiscard]] BootId boot_id() const noexcept override { return read_boot_id(); }
};

}  // namespace

const Clock& system_clock() noexcept {
  static const SystemClock clock;
  return clock;
}

}  // namespace flint
