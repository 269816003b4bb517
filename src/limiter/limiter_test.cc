#include "flint/limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include "testing/engine_fixture.h"
#include "testing/files.h"
#include "testing/processes.h"

/// What limiter.h promises of each method, whatever it decides: who is refused, with which code, and what then holds.
namespace flint {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::must;
using testing::token_bucket;

constexpr std::array kItems = {CheckItem{"key", 1}};
const Limit kLimit = token_bucket(10, 1h);
const Limit kOther = token_bucket(11, 1h);

struct Call {
  std::string name;
  std::function<Status(Limiter&)> make;
};

std::vector<Call> changes_of(std::string_view key) {
  return {{"limit", [key](Limiter& limiter) { return limiter.limit(key, kOther); }},
          {"check", [key](Limiter& limiter) { return limiter.check(key).status(); }},
          {"check_all", [key](Limiter& limiter) { return limiter.check_all(std::array{CheckItem{key}}).status(); }},
          {"reset", [key](Limiter& limiter) { return limiter.reset(key); }},
          {"limit_deferred",
           [key](Limiter& limiter) {
             Ticket ticket;
             return limiter.limit_deferred(key, kOther, &ticket);
           }},
          {"check_deferred", [key](Limiter& limiter) { return limiter.check_deferred(key).status(); }},
          {"check_all_deferred",
           [key](Limiter& limiter) { return limiter.check_all_deferred(std::array{CheckItem{key}}).status(); }},
          {"reset_deferred", [key](Limiter& limiter) {
             Ticket ticket;
             return limiter.reset_deferred(key, &ticket);
           }}};
}

std::vector<Call> reads_of(std::string_view key) {
  return {{"status", [key](Limiter& limiter) { return limiter.status(key).status(); }},
          {"history", [key](Limiter& limiter) { return limiter.history(key).status(); }}};
}

std::vector<Call> calls_without_a_key() {
  return {{"list", [](Limiter& limiter) { return limiter.list().status(); }},
          {"top", [](Limiter& limiter) { return limiter.top(TopBy::kDenied).status(); }},
          {"flush", [](Limiter& limiter) { return limiter.flush(); }},
          {"health", [](Limiter& limiter) { return limiter.health(); }}};
}

Call compaction() {
  return {"compact", [](Limiter& limiter) { return limiter.compact(); }};
}

std::vector<Call> all_calls() {
  std::vector<Call> all = changes_of("key");
  for (const Call& call : reads_of("key")) all.push_back(call);
  for (const Call& call : calls_without_a_key()) all.push_back(call);
  all.push_back(compaction());
  return all;
}

void expect_code(Limiter& limiter, const std::vector<Call>& calls, Code code) {
  for (const Call& call : calls) {
    const Status status = call.make(limiter);
    EXPECT_EQ(status.code(), code) << call.name << ": " << status.message();
  }
}

std::unique_ptr<Limiter> in_memory(SyncMode sync = SyncMode::kAlways) {
  Options options;
  options.sync = sync;
  auto limiter = must(Limiter::open_in_memory(options));
  must(limiter->limit("key", kLimit));
  return limiter;
}

TEST(LimiterContract, OptionsOutOfRangeAreNamedAndOpenNothing) {
  const testing::TemporaryDirectory temporary;
  const auto refused = [&](const char* name, const auto& change) {
    Options options;
    change(options);
    for (const auto& opened : {Limiter::open(temporary.path_of("data"), options), Limiter::open_in_memory(options)}) {
      EXPECT_EQ(opened.code(), Code::kInvalidArgument);
      EXPECT_THAT(opened.status().message(), HasSubstr(name));
    }
    EXPECT_FALSE(std::filesystem::exists(temporary.path_of("data")));
  };
  const auto accepted = [](const auto& change) {
    Options options;
    change(options);
    must(Limiter::open_in_memory(options));
  };
  accepted([](Options& options) { options.flush_every = 1ms; });
  accepted([](Options& options) { options.flush_every = 60s; });
  refused("flush_every ", [](Options& options) { options.flush_every = 0ms; });
  refused("flush_every ", [](Options& options) { options.flush_every = 60'001ms; });
  accepted([](Options& options) { options.flush_every_events = 1; });
  accepted([](Options& options) { options.flush_every_events = 1'000'000; });
  refused("flush_every_events", [](Options& options) { options.flush_every_events = 0; });
  refused("flush_every_events", [](Options& options) { options.flush_every_events = 1'000'001; });
  accepted([](Options& options) { options.max_unsynced = 1ms; });
  accepted([](Options& options) { options.max_unsynced = 1h; });
  refused("max_unsynced ", [](Options& options) { options.max_unsynced = 0ms; });
  refused("max_unsynced ", [](Options& options) { options.max_unsynced = 3'600'001ms; });
  accepted([](Options& options) { options.lock_timeout = 24h; });
  refused("lock_timeout", [](Options& options) { options.lock_timeout = -1ms; });
  refused("lock_timeout", [](Options& options) { options.lock_timeout = 24h + 1ms; });
  accepted([](Options& options) { options.compact_after_bytes = 1 << 20; });
  accepted([](Options& options) { options.compact_after_bytes = std::uint64_t{1} << 40; });
  refused("compact_after_bytes", [](Options& options) { options.compact_after_bytes = (1 << 20) - 1; });
  refused("compact_after_bytes", [](Options& options) { options.compact_after_bytes = (std::uint64_t{1} << 40) + 1; });
}

TEST(LimiterContract, AKeyWithoutALimitIsNotFound) {
  const auto limiter = in_memory();
  std::vector<Call> calls = changes_of("nobody's");
  std::erase_if(calls, [](const Call& call) { return call.name.starts_with("limit"); });
  expect_code(*limiter, calls, Code::kLimitNotFound);
  expect_code(*limiter, reads_of("nobody's"), Code::kLimitNotFound);
}

TEST(LimiterContract, WhatIsNoKeyIsAnInvalidArgument) {
  const auto limiter = in_memory();
  for (const std::string& key : {std::string(), std::string(" "), std::string("a\nb"), std::string(513, 'k')}) {
    expect_code(*limiter, changes_of(key), Code::kInvalidArgument);
    expect_code(*limiter, reads_of(key), Code::kInvalidArgument);
  }
}

TEST(LimiterContract, AfterCloseEveryCallIsRefused) {
  for (const SyncMode sync : {SyncMode::kAlways, SyncMode::kBatch}) {
    const auto limiter = in_memory(sync);
    const Ticket ticket = must(limiter->check_deferred("key")).ticket;
    must(limiter->close());
    expect_code(*limiter, all_calls(), Code::kClosed);
    must(limiter->wait(ticket));
    EXPECT_TRUE(limiter->is_durable(ticket)) << "a close makes durable what was decided before it";
    EXPECT_FALSE(limiter->doctor().ok);
    EXPECT_THAT(limiter->doctor().findings.back().message, HasSubstr("closed"));
    EXPECT_EQ(limiter->stats().keys, 0U);
    must(limiter->close());
  }
}

TEST(LimiterContract, InAForkedChildEveryCallIsRefused) {
  const testing::TemporaryDirectory temporary;
  for (const SyncMode sync : {SyncMode::kAlways, SyncMode::kBatch}) {
    Options options;
    options.sync = sync;
    auto limiter = must(Limiter::open(temporary.path_of("data"), options));
    must(limiter->limit("key", kLimit));
    const Ticket written{limiter->stats().last_seq};
    testing::run_in_child([&] {
      expect_code(*limiter, all_calls(), Code::kClosed);
      EXPECT_EQ(limiter->wait(written).code(), Code::kClosed);
      Status told;
      limiter->when_durable(written, [&](const Status& status) { told = status; });
      EXPECT_EQ(told.code(), Code::kClosed);
      EXPECT_FALSE(limiter->doctor().ok);
      EXPECT_EQ(limiter->stats().keys, 0U);
      EXPECT_EQ(limiter->close().code(), Code::kClosed);
    });
    must(limiter->close());
  }
}

TEST(LimiterContract, OpenedForReadingItRefusesChangesAndWritesNothing) {
  const testing::TemporaryDirectory temporary;
  const std::string path = temporary.path_of("data");
  Options options;
  options.mode = OpenMode::kReadOnly;
  EXPECT_EQ(Limiter::open(path, options).code(), Code::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    auto writer = must(Limiter::open(path));
    must(writer->limit("key", kLimit));
    must(writer->check("key", 10));
    EXPECT_EQ(Limiter::open(path, options).code(), Code::kDataDirLocked);
    must(writer->close());
  }
  const auto reader = must(Limiter::open(path, options));
  const std::vector<FileMap> files = reader->doctor().files;
  expect_code(*reader, changes_of("key"), Code::kPermission);
  expect_code(*reader, {compaction()}, Code::kPermission);
  expect_code(*reader, reads_of("key"), Code::kOk);
  expect_code(*reader, calls_without_a_key(), Code::kOk);
  must(reader->limit("key", kLimit));  // changes nothing
  EXPECT_EQ(must(reader->status("key")).total_denied, 0U);
  must(must(Limiter::open(path, options))->close());  // readers do not keep each other out
  must(reader->close());
  expect_code(*reader, all_calls(), Code::kClosed);
}

TEST(LimiterContract, WhatIsNoDirectoryIsRefusedAndLeftAlone) {
  const testing::TemporaryDirectory temporary;
  const std::string path = temporary.path_of("file");
  std::ofstream(path) << "mine";
  EXPECT_EQ(Limiter::open(path).code(), Code::kPermission);
  EXPECT_EQ(std::filesystem::file_size(path), 4U);
  EXPECT_EQ(Limiter::open("").code(), Code::kInvalidArgument);
}

TEST(LimiterContract, AFailedDeferredCallLeavesTheTicketAsItWas) {
  const auto limiter = in_memory();
  Ticket ticket{42};
  EXPECT_EQ(limiter->limit_deferred("key", token_bucket(0, 1h), &ticket).code(), Code::kInvalidArgument);
  EXPECT_EQ(limiter->reset_deferred("nobody's", &ticket).code(), Code::kLimitNotFound);
  EXPECT_EQ(ticket.seq, 42U);
  must(limiter->reset_deferred("key", &ticket));
  must(limiter->wait(ticket));
}

TEST(LimiterContract, NothingIsWaitedForAfterADenialOrInBatch) {
  const auto always = in_memory();
  EXPECT_NE(must(always->check_deferred("key", 10)).ticket.seq, 0U);
  EXPECT_EQ(must(always->check_deferred("key", 10)).ticket.seq, 0U);
  EXPECT_EQ(must(always->check_all_deferred(kItems)).ticket.seq, 0U);
  const auto batch = in_memory(SyncMode::kBatch);
  EXPECT_EQ(must(batch->check_deferred("key")).ticket.seq, 0U);
  EXPECT_EQ(must(batch->check_all_deferred(kItems)).ticket.seq, 0U);
}

TEST(LimiterContract, WhoRegistersIsToldOnceAndMayAskWhatIsDurable) {
  const auto limiter = in_memory();
  std::atomic<int> told = 0;
  for (int i = 1; i <= 10; ++i) {
    const Ticket ticket = must(limiter->check_deferred("key")).ticket;
    std::promise<bool> durable;
    limiter->when_durable(ticket, [&](const Status& status) {
      ++told;
      durable.set_value(status.ok() && limiter->is_durable(ticket));
    });
    EXPECT_TRUE(durable.get_future().get());
    EXPECT_EQ(told, i);
  }
  bool at_once = false;
  limiter->when_durable(Ticket{}, [&](const Status& status) { at_once = status.ok(); });
  EXPECT_TRUE(at_once);
  must(limiter->close());
  EXPECT_EQ(told, 10);
}

TEST(LimiterContract, StatsCountEachGrantOfACheckAllAndOneDenial) {
  const auto limiter = in_memory();
  must(limiter->limit("another", kLimit));
  const std::array items = {CheckItem{"key", 6}, CheckItem{"another", 6}};
  EXPECT_TRUE(must(limiter->check_all(items)).allowed);
  EXPECT_FALSE(must(limiter->check_all(items)).allowed);
  EXPECT_EQ(limiter->stats().allowed, 2U);
  EXPECT_EQ(limiter->stats().denied, 1U);
  EXPECT_EQ(limiter->stats().keys, 2U);
}

TEST(LimiterContract, InMemoryEachIsItsOwn) {
  const auto one = in_memory();
  must(one->check("key", 10));
  EXPECT_EQ(must(in_memory()->status("key")).remaining, 10U);
}

// Each call either ends as it would have, or says that the Limiter is closed; and every close says the same.
TEST(LimiterContract, CallsBesideACloseEndDoneOrClosed) {
  for (const SyncMode sync : {SyncMode::kAlways, SyncMode::kBatch}) {
    const auto limiter = in_memory(sync);
    std::atomic<std::size_t> going = 0;
    std::vector<std::thread> threads;
    for (const Call& call : all_calls()) {
      threads.emplace_back([&limiter, &going, call] {
        Status status;
        for (bool first = true; status.code() != Code::kClosed; first = false) {
          status = call.make(*limiter);
          EXPECT_THAT(status.code(), ::testing::AnyOf(Code::kOk, Code::kClosed)) << call.name << status.message();
          if (first) ++going;
        }
      });
    }
    while (going < threads.size()) std::this_thread::yield();
    std::thread closer([&] { must(limiter->close()); });
    must(limiter->close());
    closer.join();
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace flint
