#include "storage/start_writing.h"

#include <algorithm>

#include "storage/files.h"
#include "storage/lock_wait.h"
#include "storage/settle.h"

namespace flint::storage {
namespace {

/// Below this a segment could not hold a header and a few records.
constexpr std::uint64_t kLeastSegmentBytes = 1024;

/// Of everything that a crash left, only temporary files may go before settle(): no manifest ever names one.
void remove_temporaries(io::Directory& directory, Recovery& recovery) {
  std::erase_if(recovery.leftovers, [&](const std::string& name) {
    return classify(name).kind == FileKind::kTemporary && directory.remove(name).ok();
  });
}

Result<std::shared_ptr<Segment>> settle_where_room_is(Recovered& recovered) {
  const SegmentSizes sizes{recovered.options.first_segment_bytes, recovered.options.max_segment_bytes};
  Result<std::shared_ptr<Segment>> segment = settle(recovered.directory, sizes, recovered.recovery);
  const std::size_t leftovers = recovered.recovery.leftovers.size();
  if (segment.code() != Code::kDiskFull || leftovers == 0) return segment;
  // An interrupted compaction may have left a large temporary file, and removing it may be what makes the open fit.
  remove_temporaries(recovered.directory, recovered.recovery);
  if (recovered.recovery.leftovers.size() == leftovers) return segment;
  return settle(recovered.directory, sizes, recovered.recovery);
}

}  // namespace

Status describe_holder(const Recovered& recovered) {
  return recovered.lock->describe_holder(holder_text(recovered.options.holder));
}

/// A failure of settle() leaves `recovered` as it was, so that a caller who waits for space can try again. Little of
/// what may fail afterwards is worth refusing the open for: space that stays reserved, a leftover, a lock file that
/// does not name its holder. The lock and the recovery move into the store last.
Result<std::unique_ptr<WritableStore>> start_writing(Recovered& recovered) {
  recovered.options.first_segment_bytes = std::max(recovered.options.first_segment_bytes, kLeastSegmentBytes);
  Result<std::shared_ptr<Segment>> segment = settle_where_room_is(recovered);
  if (!segment.ok()) return segment.status();
  give_back_room(recovered.directory, recovered.recovery);
  remove_leftovers(recovered.directory, recovered.recovery);
  if (Status described = describe_holder(recovered); !described.ok()) {
    recovered.recovery.findings.push_back({.fatal = false, .message = described.message()});
  }
  auto store = std::make_unique<WritableStore>(recovered.directory, recovered.state, recovered.mutex, recovered.options,
                                               recovered.front, std::move(recovered.lock),
                                               std::move(recovered.recovery), std::move(*segment));
  if (recovered.options.background) {
    if (Status started = store->start_background(); !started.ok()) return started;
  }
  return store;
}

}  // namespace flint::storage
