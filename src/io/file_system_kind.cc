#include "io/file_system_kind.h"

#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace flint::io {
namespace {

enum class Trait : std::uint8_t { kLocal, kReservesBlocks, kNetwork, kVolatile, kVolatileReservesBlocks };

struct Known {
  std::uint32_t magic;
  std::string_view name;
  Trait trait;
};

// Numbers from linux/magic.h and the file systems' sources. Not network although it may be one: fuse (sshfs, but also
// ntfs-3g and many local ones). Not reserving: those that write to fresh blocks (btrfs, zfs, bcachefs, f2fs), and
// overlayfs, which may lie on top of one.
constexpr std::array kKnown = {
    Known{0x0000EF53, "ext4", Trait::kReservesBlocks},  // also ext2 and ext3
    Known{0x58465342, "xfs", Trait::kReservesBlocks},  Known{0x01021994, "tmpfs", Trait::kVolatileReservesBlocks},
    Known{0x858458F6, "ramfs", Trait::kVolatile},      Known{0x9123683E, "btrfs", Trait::kLocal},
    Known{0x2FC12FC1, "zfs", Trait::kLocal},           Known{0xF2F52010, "f2fs", Trait::kLocal},
    Known{0xCA451A4E, "bcachefs", Trait::kLocal},      Known{0x794C7630, "overlayfs", Trait::kLocal},
    Known{0x65735546, "fuse", Trait::kLocal},          Known{0x00004D44, "vfat", Trait::kLocal},
    Known{0x2011BAB0, "exfat", Trait::kLocal},         Known{0x00006969, "nfs", Trait::kNetwork},
    Known{0x0000517B, "smb", Trait::kNetwork},         Known{0xFF534D42, "cifs", Trait::kNetwork},
    Known{0xFE534D42, "smb2", Trait::kNetwork},        Known{0x5346414F, "afs", Trait::kNetwork},
    Known{0x6B414653, "afs", Trait::kNetwork},         Known{0x00C36400, "ceph", Trait::kNetwork},
    Known{0x01021997, "9p", Trait::kNetwork},          Known{0x0BD00BD0, "lustre", Trait::kNetwork},
    Known{0x47504653, "gpfs", Trait::kNetwork},
};

std::string hexadecimal(std::uint32_t value) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), value, 16).ptr;
  return "0x" + std::string(digits.begin(), end);
}

}  // namespace

MountedFileSystem file_system_of_magic(std::uint32_t magic) {
  const auto* const known =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& entry) { return entry.magic == magic; });
  if (known == kKnown.end()) return {{hexadecimal(magic), false, false}, false};
  const Trait trait = known->trait;
  const bool gone_with_the_machine = trait == Trait::kVolatile || trait == Trait::kVolatileReservesBlocks;
  return {{std::string(known->name), trait == Trait::kNetwork, gone_with_the_machine},
          trait == Trait::kReservesBlocks || trait == Trait::kVolatileReservesBlocks};
}

std::optional<MountedFileSystem> file_system_of(int fd) {
  struct statfs status {};
  int result = ::fstatfs(fd, &status);
  while (result != 0 && errno == EINTR) result = ::fstatfs(fd, &status);
  if (result != 0) return std::nullopt;
  return file_system_of_magic(static_cast<std::uint32_t>(status.f_type));
}

}  // namespace flint::io
