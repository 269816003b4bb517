#include "flint/status.h"

#include <gtest/gtest.h>

#include <utility>

namespace flint {
namespace {

TEST(StatusTest, ASuccessHasNoParts) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.field(), "");
  EXPECT_EQ(status.problem(), "");
  EXPECT_EQ(status.advice(), "");
  EXPECT_FALSE(status.holder());
}

TEST(StatusTest, TheFieldIsWhereTheMessageBegins) {
  const Status status = Status::of_field("cost", "must be from 1 to 9.");
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "cost must be from 1 to 9.");
  EXPECT_EQ(status.field(), "cost");

  const Status renamed = status.renamed("items[3].cost");
  EXPECT_EQ(renamed.message(), "items[3].cost must be from 1 to 9.");
  EXPECT_EQ(renamed.field(), "items[3].cost");
  EXPECT_EQ(status.message(), "cost must be from 1 to 9.") << "a copy was changed";
}

// A sentence that happened to begin with the name of a field was taken for one about that field.
TEST(StatusTest, AMessageWithoutAFieldHasNone) {
  const Status status(Code::kInvalidArgument, "key \"a\" is given twice.");
  EXPECT_EQ(status.field(), "");
  EXPECT_EQ(status.problem(), status.message());
}

TEST(StatusTest, TheAdviceIsWhereTheMessageEnds) {
  const Status plain(Code::kCorruption, "The file is damaged.");
  const Status advised = plain.advised(" Run the doctor.");
  EXPECT_EQ(advised.code(), Code::kCorruption);
  EXPECT_EQ(advised.message(), "The file is damaged. Run the doctor.");
  EXPECT_EQ(advised.problem(), "The file is damaged.");
  EXPECT_EQ(advised.advice(), " Run the doctor.");
  EXPECT_EQ(advised.advised(" Or do not.").problem(), "The file is damaged.");
  EXPECT_EQ(plain.advice(), "");
}

TEST(StatusTest, TheHolderStaysWithTheMessage) {
  const Status locked = Status(Code::kDataDirLocked, "in use.").held_by({.process_id = 4711, .is_server = true});
  EXPECT_EQ(locked.message(), "in use.");
  EXPECT_EQ(locked.holder(), (LockHolder{4711, true}));
  EXPECT_EQ(locked.advised(" Stop it.").holder(), locked.holder());
}

TEST(StatusTest, EqualMeansTheSameCodeAndMessage) {
  EXPECT_EQ(Status(), Status());
  EXPECT_EQ(Status(Code::kIoError, "a"), Status(Code::kIoError, "a"));
  EXPECT_NE(Status(Code::kIoError, "a"), Status(Code::kIoError, "b"));
  EXPECT_NE(Status(Code::kIoError, "a"), Status(Code::kDiskFull, "a"));
  EXPECT_EQ(Status::of_field("a", "b"), Status(Code::kInvalidArgument, "a b"));
}

TEST(StatusTest, IsACodeWithoutAMessageOnceMovedFrom) {
  Status from(Code::kIoError, "a");
  const Status to = std::move(from);
  EXPECT_EQ(to.message(), "a");
  EXPECT_EQ(from.message(), "");  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace flint
