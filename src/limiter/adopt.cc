#include <fmt/format.h>

#include "limiter/engine.h"
#include "storage/import_mark.h"

/// State that other programs left.
namespace flint::limiter {

Status Engine::adopt(KeyTable keys) {
  if (Status open = welcome(); !open.ok()) return open;
  if (Status accepted = accepts_changes(); !accepted.ok()) return accepted;
  const Result<bool> again = storage::import_is_unfinished(*directory_);
  if (!again.ok()) return again.status();
  {
    base::MutexLock lock(mutex_);
    if (!*again && state_.keys.size() > 0) {
      return {Code::kInvalidArgument,
              fmt::format("{} holds {} limit{} already, and an import goes into a directory "
                          "without any: it replaces nothing. Choose another data directory.",
                          directory_->path(), state_.keys.size(), state_.keys.size() == 1 ? "" : "s")};
    }
  }
  if (Status begun = storage::begin_import(*directory_); !begun.ok()) return begun;
  {
    base::MutexLock lock(mutex_);
    // A log from its first record on would do in place of a damaged snapshot; with this record dropped, none does.
    const Moment at = clock_->now();
    EventWriter event(EventType::kClock, at);
    const BootTime boot = clock_->boot_time(at);
    event.clock(boot);
    const Result<storage::Seq> logged = append(event, at);
    if (!logged.ok()) return logged.status();
    state_.time.note_anchor(at, boot);
    state_.keys = std::move(keys);
  }
  // Twice, because a damaged snapshot gives way to what was before it. Before the first one that is a log that knows no
  // key: everybody would be forgiven.
  for (int snapshot = 0; snapshot < 2; ++snapshot) {
    if (Status compacted = store_->compact(); !compacted.ok()) return compacted;
  }
  return storage::end_import(*directory_);
}

}  // namespace flint::limiter
