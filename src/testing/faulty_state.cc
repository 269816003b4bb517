#include "testing/faulty_state.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "io/errors.h"

namespace flint::testing {
namespace {

constexpr unsigned kWriteBackPercent = 25;

std::uint64_t whole_pages(std::uint64_t size) { return (size + kPageBytes - 1) / kPageBytes * kPageBytes; }

PageImage seen_now(const FaultyInode& inode) { return {inode.seen->content, inode.stored.clean()}; }

}  // namespace

FaultyState::FaultyState(FaultyOptions given, Names known, std::vector<std::shared_ptr<FaultyInode>> inodes)
    : options(std::move(given)),
      tree(std::make_shared<io::MemoryTree>(options.path, known)),
      names(std::move(known)),
      inodes_(std::move(inodes)) {}

Attempt FaultyState::begin(Call call, std::string_view name) {
  if (dead) return {call, EIO, false, std::nullopt};
  const std::uint64_t number = calls.size();
  calls.push_back({call, std::string(name)});
  if (write_back_dice && write_back_dice->chance(kWriteBackPercent)) write_back();
  if (death && number >= death->first) return {call, death->second.error, true, death->second.partly};
  if (const auto fault = failing_calls.find(number); fault != failing_calls.end()) {
    return {call, fault->second.error, false, fault->second.partly};
  }
  if (const auto fault = failing_kinds.find(call); fault != failing_kinds.end()) {
    return {call, fault->second.error, false, fault->second.partly};
  }
  return {call, 0, false, std::nullopt};
}

Status FaultyState::finish(const Attempt& attempt, std::string_view name) {
  if (attempt.ok()) return {};
  if (attempt.dies()) {
    for (const auto& inode : inodes_) inode->at_death = seen_now(*inode);
    dead = true;
  }
  return io::errno_status(attempt.error(), call_name(attempt.call()),
                          name.empty() ? options.path : tree->path_of(name));
}

Status FaultyState::check_read(Call call, std::string_view name) {
  if (!dead && !options.count_reads) return {};
  return finish(begin(call, name), name);
}

void FaultyState::track(const std::shared_ptr<io::MemoryInode>& seen) {
  // Those that no name, no change of a name and no handle refers to any more.
  std::erase_if(inodes_, [](const auto& inode) { return inode->open_handles == 0 && inode->seen.use_count() == 1; });
  inodes_.push_back(std::make_shared<FaultyInode>(FaultyInode{.seen = seen, .stored = {}, .at_death = {}}));
}

const std::shared_ptr<FaultyInode>& FaultyState::inode_of(const std::shared_ptr<io::MemoryInode>& seen) const {
  const auto known =
      std::find_if(inodes_.begin(), inodes_.end(), [&](const auto& inode) { return inode->seen == seen; });
  FLINT_ASSERT(known != inodes_.end());
  return *known;
}

void FaultyState::make_durable(const std::shared_ptr<io::MemoryInode>& seen) {
  inode_of(seen)->stored = StoredFile(PageImage(seen->content, {}));
  names = StoredNames(tree->names());
}

std::uint64_t FaultyState::room_at(const FaultyInode& inode, std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t own = whole_pages(inode.seen->content.size());
  if (!capacity || offset + size <= own) return size;
  const std::uint64_t others = used_bytes() - own;
  const std::uint64_t end = std::max(own, (*capacity - std::min(others, *capacity)) / kPageBytes * kPageBytes);
  return end <= offset ? 0 : std::min(size, end - offset);
}

std::uint64_t FaultyState::used_bytes() const {
  const Names current = tree->names();
  std::uint64_t used = 0;
  for (const auto& inode : inodes_) {
    const bool named =
        std::any_of(current.begin(), current.end(), [&](const auto& entry) { return entry.second == inode->seen; });
    if (named || inode->open_handles > 0) used += whole_pages(inode->seen->content.size());
  }
  return used;
}

std::shared_ptr<FaultyState> FaultyState::crash(std::uint64_t seed, CrashPolicy policy) const {
  Dice dice(seed);
  Names after;
  std::vector<std::shared_ptr<FaultyInode>> inodes;
  for (const auto& [name, seen] : names_after(dice, policy)) {
    const PageImage content = content_after(*inode_of(seen), dice, policy);
    auto file = std::make_shared<io::MemoryInode>();
    content.write_to(file->content);
    inodes.push_back(
        std::make_shared<FaultyInode>(FaultyInode{.seen = file, .stored = StoredFile(content), .at_death = {}}));
    inodes.back()->unreadable = inode_of(seen)->unreadable;
    after.emplace(name, std::move(file));
  }
  return std::make_shared<FaultyState>(options, std::move(after), std::move(inodes));
}

void FaultyState::write_back() {
  for (const auto& inode : inodes_) inode->stored.write_back(seen_now(*inode), *write_back_dice);
  names.write_back(*write_back_dice);
}

void FaultyState::fail_write_back(Dice& dice) {
  for (const auto& inode : inodes_) {
    const PageImage seen = seen_now(*inode);
    if (!inode->stored.is_dirty(seen) || dice.chance(kWriteBackPercent)) continue;
    inode->stored.sync_failed(seen, &dice);
    inode->write_back_failed = inode->open_handles > 0;
  }
}

void FaultyState::forget_clean_pages(Dice& dice) {
  for (const auto& inode : inodes_) {
    if (dice.chance(50)) inode->stored.forget_clean(seen_now(*inode)).write_to(inode->seen->content);
  }
}

FaultyState::Names FaultyState::names_after(Dice& dice, CrashPolicy policy) const {
  switch (policy.survives) {
    case Survives::kEverything:
      return tree->names();
    case Survives::kOnlySynced:
      return names.durable();
    case Survives::kRandom:
      break;
  }
  return names.after_power_loss(dice);
}

PageImage FaultyState::content_after(const FaultyInode& inode, Dice& dice, CrashPolicy policy) const {
  if (policy.survives == Survives::kOnlySynced) return inode.stored.durable();
  const PageImage current = dead ? inode.at_death : seen_now(inode);
  if (policy.survives == Survives::kEverything) return current;
  return inode.stored.after_power_loss(current, policy.whole_pages ? kPageBytes : kSectorBytes, dice);
}

}  // namespace flint::testing
