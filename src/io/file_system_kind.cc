#include "io/file_system_kind.h"

#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace flint::io {
namespace {

enum class Trait : std::uint8_t { kLocal, kReservesBlocks, kNetwork, kVolatile, kVolatileReservesBlocks, kUncertain };

struct Known {
  std::uint32_t magic;
  std::string_view name;
  Trait trait;
};

constexpr std::uint32_t kXfs = 0x58465342;

// Numbers from linux/magic.h and the file systems' sources. kReservesBlocks is for those that are known to keep a block
// reserved by fallocate(2) for one file and in its place. It excludes those that write to fresh blocks (btrfs, zfs,
// bcachefs, f2fs), XFS where files may share blocks (see below), and overlayfs, which may lie on top of any. kUncertain
// is for what passes calls on to a program, possibly a remote one (fuse), and for what has no journal and promises
// little about a rename (vfat, exfat).
constexpr std::array kKnown = {
    Known{0x0000EF53, "ext4", Trait::kReservesBlocks},  // also ext2 and ext3
    Known{kXfs, "xfs", Trait::kLocal},
    Known{0x01021994, "tmpfs", Trait::kVolatileReservesBlocks},
    Known{0x858458F6, "ramfs", Trait::kVolatile},
    Known{0x9123683E, "btrfs", Trait::kLocal},
    Known{0x2FC12FC1, "zfs", Trait::kLocal},
    Known{0xF2F52010, "f2fs", Trait::kLocal},
    Known{0xCA451A4E, "bcachefs", Trait::kLocal},
    Known{0x794C7630, "overlayfs", Trait::kLocal},
    Known{0x65735546, "fuse", Trait::kUncertain},
    Known{0x00004D44, "vfat", Trait::kUncertain},
    Known{0x2011BAB0, "exfat", Trait::kUncertain},
    Known{0x00006969, "nfs", Trait::kNetwork},
    Known{0x0000517B, "smb", Trait::kNetwork},
    Known{0xFF534D42, "cifs", Trait::kNetwork},
    Known{0xFE534D42, "smb2", Trait::kNetwork},
    Known{0x5346414F, "afs", Trait::kNetwork},
    Known{0x6B414653, "afs", Trait::kNetwork},
    Known{0x00C36400, "ceph", Trait::kNetwork},
    Known{0x01021997, "9p", Trait::kNetwork},
    Known{0x0BD00BD0, "lustre", Trait::kNetwork},
    Known{0x47504653, "gpfs", Trait::kNetwork},
};

// The second version of XFS's answer to what it was made with, which every kernel gives; xfs_fs.h is not installed
// everywhere.
struct XfsGeometry {
  std::array<std::uint32_t, 8> sizes;
  std::array<std::uint64_t, 4> blocks;
  std::array<std::uint8_t, 16> uuid;
  std::array<std::uint32_t, 2> stripes;
  std::int32_t version;
  std::uint32_t flags;
  std::array<std::uint32_t, 4> more_sizes;
};
static_assert(sizeof(XfsGeometry) == 112);
constexpr unsigned long kXfsGetGeometry = _IOR('X', 124, XfsGeometry);
constexpr std::uint32_t kXfsSharesBlocks = 1U << 20;

/// Then a copy made by `cp` shares blocks with the original, and a store to one of them needs a new block, which a full
/// disk does not have: SIGBUS. True also if the kernel does not say.
bool xfs_shares_blocks(int fd) {
  XfsGeometry geometry{};
  return ::ioctl(fd, kXfsGetGeometry, &geometry) != 0 || (geometry.flags & kXfsSharesBlocks) != 0;
}

std::string hexadecimal(std::uint32_t value) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), value, 16).ptr;
  return "0x" + std::string(digits.begin(), end);
}

}  // namespace

MountedFileSystem file_system_of_magic(std::uint32_t magic) {
  const auto* const known =
      std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& entry) { return entry.magic == magic; });
  const Trait trait = known == kKnown.end() ? Trait::kUncertain : known->trait;
  return {{.name = known == kKnown.end() ? hexadecimal(magic) : std::string(known->name),
           .network = trait == Trait::kNetwork,
           .volatile_ = trait == Trait::kVolatile || trait == Trait::kVolatileReservesBlocks,
           .uncertain = trait == Trait::kUncertain},
          trait == Trait::kReservesBlocks || trait == Trait::kVolatileReservesBlocks};
}

std::optional<MountedFileSystem> file_system_of(int fd) {
  struct statfs status {};
  int result = ::fstatfs(fd, &status);
  while (result != 0 && errno == EINTR) result = ::fstatfs(fd, &status);
  if (result != 0) return std::nullopt;
  const auto magic = static_cast<std::uint32_t>(status.f_type);
  MountedFileSystem mounted = file_system_of_magic(magic);
  if (magic == kXfs) mounted.reserves_blocks = !xfs_shares_blocks(fd);
  return mounted;
}

}  // namespace flint::io
