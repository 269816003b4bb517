#include "original/import.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "flint/limiter.h"
#include "testing/files.h"
#include "testing/original_files.h"

/// Whole imports, over the machine's files.
namespace flint::original {
namespace {

using ::testing::HasSubstr;

class ImportTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(from_); }

  void put(const std::string& name, const std::string& text) const {
    std::ofstream(from_ + "/" + name, std::ios::binary) << text;
  }
  void put_used_up() const {
    put("flint.aof", testing::line(testing::configured("k", 10, "3600000000")) +
                         testing::line(testing::event("ALLOW", "k", std::chrono::hours(0), 10)));
  }
  [[nodiscard]] Result<ImportReport> import() const {
    return import_directory({.from = from_, .data_dir = to_, .lock_timeout = {}, .progress = {}});
  }
  [[nodiscard]] std::size_t limits() const {
    const auto limiter = Limiter::open(to_);
    EXPECT_TRUE(limiter.ok()) << limiter.status().message();
    return limiter.ok() ? (*limiter)->list()->size() : 0;
  }
  void expect_refused(Code code, const std::string& says) const {
    const auto refused = import();
    EXPECT_EQ(refused.code(), code);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(says));
    EXPECT_FALSE(std::filesystem::exists(to_)) << "a refusal made the data directory";
  }

  testing::TemporaryDirectory temporary_;
  const std::string from_ = temporary_.path_of("old");
  const std::string to_ = temporary_.path_of("new");
};

TEST_F(ImportTest, WhatWasUsedStaysUsed) {
  put_used_up();
  const auto report = import();
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->keys, 1U);
  const auto limiter = Limiter::open(to_);
  ASSERT_TRUE(limiter.ok());
  EXPECT_FALSE((*limiter)->check("k", 10)->allowed);
  EXPECT_TRUE((*limiter)->doctor().ok);
}

TEST_F(ImportTest, GoesIntoADirectoryWithoutLimitsOnly) {
  put_used_up();
  { const auto limiter = Limiter::open(to_); }
  ASSERT_TRUE(import().ok()) << "a directory without limits";
  const auto again = import();
  EXPECT_EQ(again.code(), Code::kInvalidArgument);
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("holds 1 limit already"));
  EXPECT_EQ(limits(), 1U);
}

TEST_F(ImportTest, RefusesWhatIsNoDirectoryOfTheOriginal) {
  expect_refused(Code::kInvalidArgument, "neither flint.snapshot nor flint.aof");
  std::filesystem::create_directory(from_ + "/flint.aof");
  expect_refused(Code::kPermission, "flint.aof");
  std::filesystem::remove(from_ + "/flint.aof");
  put("elsewhere", "");
  std::filesystem::create_symlink("elsewhere", from_ + "/flint.aof");
  expect_refused(Code::kPermission, "flint.aof");
  std::filesystem::remove_all(from_);
  expect_refused(Code::kInvalidArgument, "old");
  std::ofstream(from_) << "a file";
  expect_refused(Code::kPermission, "old");
}

TEST_F(ImportTest, RefusesTheDataDirectoryItself) {
  put_used_up();
  const auto same = import_directory({.from = from_, .data_dir = from_ + "/.", .lock_timeout = {}, .progress = {}});
  EXPECT_EQ(same.code(), Code::kInvalidArgument);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(from_), std::filesystem::directory_iterator()), 1);
}

TEST_F(ImportTest, RefusesWhileTheOriginalRuns) {
  put_used_up();
  put("flint.lock", "");
  const int lock = ::open((from_ + "/flint.lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
  expect_refused(Code::kDataDirLocked, "Stop the original Flint first");
  ::close(lock);
  EXPECT_TRUE(import().ok());
}

TEST_F(ImportTest, ADataDirectoryThatIsInUseIsRefused) {
  put_used_up();
  const auto holder = Limiter::open(to_);
  EXPECT_EQ(import().code(), Code::kDataDirLocked);
}

TEST_F(ImportTest, NothingMeansNoLimits) {
  put("flint.aof", "");
  const auto report = import();
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->keys, 0U);
  EXPECT_EQ(limits(), 0U);
}

}  // namespace
}  // namespace flint::original
