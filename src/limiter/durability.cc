#include <fmt/format.h>

#include "base/period.h"
#include "limiter/engine.h"
#include "storage/file_map.h"

/// What the engine asks of its storage: waiting, flushing, compaction, closing, and how all of it is doing.
namespace flint::limiter {
namespace {

// Smaller steps are what a time service does to a clock every day.
constexpr Nanos kJump = std::chrono::seconds(1);

std::string in_words(Nanos time) {
  return base::format_period(
      std::max<Nanos>(std::chrono::floor<std::chrono::milliseconds>(time), std::chrono::milliseconds(1)));
}

}  // namespace

Status Engine::wait(Ticket ticket) { return ticket.seq == 0 ? Status() : store_->wait(ticket.seq); }

void Engine::when_durable(Ticket ticket, std::function<void(const Status&)> done) {
  if (ticket.seq == 0) return done(Status());
  store_->when_durable(ticket.seq, std::move(done));
}

bool Engine::is_durable(Ticket ticket) const noexcept { return ticket.seq <= store_->durable_seq(); }

Status Engine::compact() {
  if (Status open = welcome(); !open.ok()) return open;
  return store_->compact();
}

Status Engine::flush() {
  if (Status open = welcome(); !open.ok()) return open;
  return store_->flush();
}

Status Engine::health() const {
  if (Status open = welcome(); !open.ok()) return open;
  return store_->health();
}

Stats Engine::stats() {
  const storage::StoreStats store = store_->stats();
  Stats stats{.keys = 0,
              .allowed = 0,
              .denied = 0,
              .log_bytes = store.log_bytes,
              .snapshot_bytes = store.snapshot_bytes,
              .last_seq = store.last_seq,
              .durable_seq = store.durable_seq,
              .oldest_unsynced = Nanos(0),
              .sync_nanos = store.sync_nanos,
              .sync_records = store.sync_records,
              .compactions = store.compactions,
              .failed = store.failed,
              .degraded = store.degraded};
  if (!welcome().ok()) return stats;
  base::MutexLock lock(store_->mutex());
  stats.keys = state_.keys.size();
  stats.allowed = allowed_;
  stats.denied = denied_;
  stats.oldest_unsynced = unsynced_->age(store_->last_seq(), clock_->now().time);
  return stats;
}

DoctorReport Engine::doctor() {
  const storage::StoreStats store = store_->stats();
  DoctorReport report;
  report.data_dir = directory_->path();
  report.log_bytes = store.log_bytes;
  report.snapshot_exists = store.snapshot_exists;
  report.snapshot_bytes = store.snapshot_bytes;
  report.last_seq = store.last_seq;
  report.durable_seq = store.durable_seq;
  report.failed = store.failed;
  report.degraded = store.degraded;
  report.findings = store_->findings();
  map_files(report);
  const Status open = welcome();
  if (open.ok()) {
    base::MutexLock lock(store_->mutex());
    report.limits = state_.keys.size();
    report_clock(report);
    report_slow_disk(report);
  } else {
    report.findings.push_back({false, open.message()});
  }
  report.ok = open.ok() && !report.failed && !report.degraded;
  return report;
}

/// As flint::inspect does it, so that the report of a directory says the same whoever holds it.
void Engine::map_files(DoctorReport& report) {
  if (!welcome().ok()) return;
  std::vector<Finding> damage;
  Result<std::vector<FileMap>> files = storage::map_files(*directory_, damage);
  if (!files.ok()) {
    report.findings.push_back({false, files.status().message()});
    return;
  }
  report.files = std::move(*files);
  report.degraded = report.degraded || !damage.empty();
  for (Finding& finding : damage) report.findings.push_back(std::move(finding));
}

void Engine::report_clock(DoctorReport& report) {
  if (const Nanos behind = clock_->behind_at_open(); behind >= kJump) {
    report.findings.push_back(
        {false, fmt::format(
                    "the wall clock was {} behind the last recorded time when this directory was opened; the limiter's "
                    "time went on from the recorded one. Check the machine's time service.",
                    in_words(behind))});
  }
  const Nanos jumped = clock_->jumped_since_open(clock_->now());
  if (jumped >= kJump || jumped <= -kJump) {
    report.findings.push_back(
        {false,
         fmt::format(
             "the wall clock was set {} by {} since this directory was opened; decisions do not follow it, times "
             "that are shown do. Check the machine's time service.",
             jumped > Nanos(0) ? "forward" : "back", in_words(jumped > Nanos(0) ? jumped : -jumped))});
  }
}

void Engine::report_slow_disk(DoctorReport& report) {
  const Nanos age = unsynced_->age(store_->last_seq(), clock_->now().time);
  if (age <= options_.max_unsynced) return;
  report.findings.push_back(
      {false, fmt::format("the disk does not keep up: the oldest event that is not on stable storage is {} old, and "
                          "changes wait. Look at what else uses the disk, and at the kernel's log.",
                          in_words(age))});
}

Status Engine::close() {
  if (Status open = welcome(); !open.ok() && !closed_) return open;
  const bool closing = !closed_.exchange(true, std::memory_order_acq_rel);
  if (closing && options_.mode == OpenMode::kReadWrite) log_time();
  return store_->close();
}

/// With the wall clock behind, only the log tells the next open how far the limiter's time had come. Without the record
/// that time would stand still across the close, which refuses more and grants nothing: so a failure here is none.
void Engine::log_time() {
  base::MutexLock lock(store_->mutex());
  const Moment at = clock_->now();
  if (at.wall.time_since_epoch() >= at.time.time_since_epoch()) return;
  static_cast<void>(append(EventWriter(EventType::kTime, at), at));
}

}  // namespace flint::limiter
