#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/mutex.h"
#include "storage/store.h"
#include "testing/faulty_file_system.h"
#include "testing/seed.h"
#include "testing/values.h"

/// What the store's tests share: an owner that remembers every record, and a workload that knows what was promised.
namespace flint::testing {

using Records = std::map<storage::Seq, std::string>;

/// Its state is all records ever, so that what was recovered can be compared with what was appended. A snapshot entry
/// holds a few of them.
class TestOwner final : public storage::Owner {
 public:
  /// Guards what is below and the store's appends, whenever more than one thread is about.
  base::Mutex mutex;
  Records records;
  /// Called before each piece of a snapshot, without the mutex: checks that go on meanwhile.
  std::function<void()> between_pieces;
  /// What on_tick() does.
  std::function<Status()> tick;
  /// Called at each entry and each record of a recovery.
  std::function<void()> on_recovered;
  /// Entries in one piece, records in one entry.
  std::size_t piece = 2;

  void clear() override { records.clear(); }
  Status load(std::span<const std::byte> entry, storage::Seq max_seq) override {
    if (on_recovered) on_recovered();
    base::Reader reader(entry);
    while (reader.ok() && reader.left() > 0) {
      const auto seq = reader.fixed<storage::Seq>();
      if (seq > max_seq) return {Code::kCorruption, "the entry is newer than its snapshot"};
      records[seq] = reader.text();
    }
    return reader.ok() ? Status() : Status(Code::kCorruption, "the entry cannot be read");
  }
  Status replay(const storage::Record& record) override {
    if (on_recovered) on_recovered();
    if (record.kind != 1) return {Code::kUnsupportedFormat, "a record of an unknown kind"};
    if (!records.empty() && record.seq <= records.rbegin()->first) {
      return records.contains(record.seq) ? Status() : Status(Code::kCorruption, "a record that was not there before");
    }
    records[record.seq] = text_of(record.payload);
    return {};
  }
  void begin_snapshot() override { cursor_ = 0; }
  bool next_entries(const std::function<void(std::span<const std::byte>)>& emit) override;
  Status on_tick() override { return tick ? tick() : Status(); }

 private:
  storage::Seq cursor_ = 0;
};

inline bool TestOwner::next_entries(const std::function<void(std::span<const std::byte>)>& emit) {
  if (between_pieces) between_pieces();
  std::vector<std::vector<std::byte>> entries;
  bool more = true;
  {
    base::MutexLock lock(mutex);
    auto next = records.upper_bound(cursor_);
    for (std::size_t i = 0; i < piece && next != records.end(); ++i) {
      std::vector<std::byte> entry;
      for (std::size_t k = 0; k < piece && next != records.end(); ++k, ++next) {
        std::vector<std::byte> bytes(next->second.size() + 32);
        base::Writer writer(bytes);
        writer.fixed(next->first);
        writer.text(next->second);
        entry.insert(entry.end(), writer.written().begin(), writer.written().end());
        cursor_ = next->first;
      }
      entries.push_back(std::move(entry));
    }
    more = next != records.end();
  }
  for (const std::vector<std::byte>& entry : entries) emit(entry);
  return more;
}

/// What was appended, and up to where it was promised to last.
struct History {
  Records appended;
  storage::Seq acknowledged = 0;
  /// The last record's append failed with kStorageFailed: it may be there or not.
  bool last_is_indeterminate = false;

  /// The records of `recovered` are the first ones of `appended`, and none that was acknowledged is missing.
  [[nodiscard]] ::testing::AssertionResult explains(const Records& recovered) const;
};

inline ::testing::AssertionResult History::explains(const Records& recovered) const {
  auto expected = appended.begin();
  for (const auto& [seq, payload] : recovered) {
    if (expected == appended.end()) return ::testing::AssertionFailure() << "record " << seq << " was never appended";
    if (expected->first != seq) {
      return ::testing::AssertionFailure() << "record " << expected->first << " is missing before " << seq;
    }
    if (expected->second != payload) return ::testing::AssertionFailure() << "record " << seq << " was changed";
    ++expected;
  }
  if (expected != appended.end() && expected->first <= acknowledged) {
    return ::testing::AssertionFailure() << "record " << expected->first << " is missing, acknowledged up to "
                                         << acknowledged;
  }
  return ::testing::AssertionSuccess();
}

/// A store with its owner, that keeps the history up to date.
class TestStore {
 public:
  TestStore(const FaultyDisk& disk, storage::StoreOptions options)
      : directory_(disk.directory()), options_(std::move(options)) {}

  Status open() {
    Result<std::unique_ptr<storage::Store>> opened = storage::Store::open(*directory_, owner, owner.mutex, options_);
    if (!opened.ok()) return opened.status();
    store_ = std::move(*opened);
    return {};
  }
  [[nodiscard]] bool is_open() const { return store_ != nullptr; }
  [[nodiscard]] storage::Store& operator*() { return *store_; }
  [[nodiscard]] storage::Store* operator->() { return store_.get(); }

  Status append(History& history, const std::string& payload) {
    base::MutexLock lock(owner.mutex);
    return append_locked(history, payload);
  }
  Status append_locked(History& history, const std::string& payload) {
    const storage::Seq last = store_->last_seq();
    const Result<storage::Seq> seq = store_->append(1, bytes_of(payload));
    if (seq.ok()) {
      history.appended[*seq] = payload;
      owner.records[*seq] = payload;
    } else if (seq.code() == Code::kStorageFailed && !history.last_is_indeterminate) {
      history.appended[last + 1] = payload;
      history.last_is_indeterminate = true;
    }
    return seq.status();
  }
  Status wait(History& history) {
    const storage::Seq seq = store_->last_seq();
    Status done = store_->wait(seq);
    if (done.ok()) history.acknowledged = std::max(history.acknowledged, seq);
    return done;
  }
  /// Takes what is there now for what was promised: after an open, which makes it so. One that waits for room promises
  /// no more than it knows to be durable.
  void adopt(History& history) {
    history.appended = owner.records;
    history.last_is_indeterminate = false;
    const bool waits = store_->stats().waits_for_room;
    history.acknowledged = waits ? std::max(history.acknowledged, store_->durable_seq()) : store_->last_seq();
  }

  TestOwner owner;

 private:
  std::unique_ptr<io::Directory> directory_;
  storage::StoreOptions options_;
  std::unique_ptr<storage::Store> store_;
};

/// Tiny segments, no thread.
[[nodiscard]] inline storage::StoreOptions tiny_options() {
  storage::StoreOptions options;
  options.background = false;
  options.first_segment_bytes = 1024;
  options.max_segment_bytes = 4096;
  options.compact_after_bytes = std::uint64_t{1} << 30;
  options.prove_after_bytes = 2000;
  options.prove_after = std::chrono::hours(24);
  return options;
}

}  // namespace flint::testing
