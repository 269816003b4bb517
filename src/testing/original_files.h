#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rfc3339.h"
#include "original/import.h"
#include "original/sha256.h"
#include "testing/faulty_file_system.h"

/// Files as the original Flint writes them, made by hand.
namespace flint::testing {

using namespace std::chrono_literals;

inline WallTime wall(std::string_view text) {
  const auto time = base::parse_rfc3339(text);
  EXPECT_TRUE(time) << text;
  return time.value_or(WallTime());
}
/// When the tests import.
inline WallTime now() { return wall("2026-11-23T12:00:00Z"); }
/// `ago` before that, as the original writes times.
inline std::string at(Nanos ago) { return base::format_rfc3339(now() - ago); }

/// A line of the newest format: with version and checksum.
inline std::string line(std::string_view event, std::string_view ts = "2026-11-23T11:00:00Z") {
  std::string text = R"({"version":1,"ts":")" + std::string(ts) + R"(","event":)" + std::string(event);
  original::Sha256 sum;
  sum.update(text + "}");
  return text + R"(,"checksum":")" + sum.hex() + "\"}\n";
}
inline std::string configured(std::string_view key, int rate, std::string_view per_millis,
                              std::string_view algorithm = "token_bucket") {
  return R"({"type":"LIMIT_CONFIGURED","config":{"key":")" + std::string(key) + R"(","rate":)" + std::to_string(rate) +
         R"(,"per_millis":)" + std::string(per_millis) + R"(,"algorithm":")" + std::string(algorithm) + R"("}})";
}
inline std::string event(std::string_view type, std::string_view key, Nanos ago, int cost) {
  return R"({"type":")" + std::string(type) + R"(","key":")" + std::string(key) + R"(","at":")" + at(ago) +
         R"(","cost":)" + std::to_string(cost) + "}";
}
inline std::string reset(std::string_view key, Nanos ago) {
  return R"({"type":"RESET","key":")" + std::string(key) + R"(","at":")" + at(ago) + "\"}";
}

/// A snapshot of the newest format around the bare one, whose quotes are all that needs an escape.
inline std::string wrapped(const std::string& bare) {
  original::Sha256 sum;
  sum.update(bare);
  std::string escaped;
  for (const char c : bare) escaped += c == '"' ? std::string("\\\"") : std::string(1, c);
  return "{\n  \"format_version\": 1,\n  \"created_at\": \"2026-11-23T11:00:00Z\",\n  \"checksum\": \"" + sum.hex() +
         "\",\n  \"snapshot\": \"" + escaped + "\"\n}\n";
}
inline std::string bare(std::string_view configs, std::string_view buckets = "{}", std::string_view fixed = "{}",
                        std::string_view sliding = "{}", std::string_view metrics = "{}", int offset = 0) {
  return R"({"aof_offset":)" + std::to_string(offset) +
         R"(,"created_at":"2026-11-23T11:00:00Z","format_version":1,"state":{"buckets":)" + std::string(buckets) +
         R"(,"configs":)" + std::string(configs) + R"(,"fixed_windows":)" + std::string(fixed) +
         R"(,"history":[{"type":"ALLOW_ALL","items":[{"key":"k","cost":1}],"at":"x"}],"metrics":)" +
         std::string(metrics) + R"(,"sliding_windows":)" + std::string(sliding) + "}}";
}
inline std::string config(std::string_view key, int rate, std::string_view algorithm) {
  return "\"" + std::string(key) + R"(":{"algorithm":")" + std::string(algorithm) + R"(","key":")" + std::string(key) +
         R"(","per_millis":3600000,"rate":)" + std::to_string(rate) + "}";
}

inline Result<original::Content> read(const std::vector<std::pair<std::string, std::string>>& files) {
  FaultyDisk disk({.path = "old"});
  for (const auto& [name, text] : files) disk.put(name, text);
  return original::read_directory(*disk.directory(), now(), {});
}
inline Result<original::Content> read_log_of(const std::string& text) { return read({{"flint.aof", text}}); }
inline Result<original::Content> read_snapshot_of(const std::string& text) { return read({{"flint.snapshot", text}}); }

/// What is left of a key now.
inline Units left(original::Content& content, std::string_view key) {
  const limiter::KeyEntry* entry = content.keys.find(key);
  EXPECT_NE(entry, nullptr) << key;
  if (entry == nullptr) return 0;
  EXPECT_TRUE(algorithm::is_valid(entry->usage.state, entry->limit()));
  return algorithm::view(entry->usage.state, entry->limit(), Time(now().time_since_epoch())).remaining;
}

}  // namespace flint::testing
