#include "io/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace flint::io {
namespace {

TEST(ErrorsTest, EachErrnoHasTheCodeThatTheInterfacePromises) {
  EXPECT_EQ(code_for_errno(ENOENT), Code::kNotFound);
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) EXPECT_EQ(code_for_errno(full), Code::kDiskFull) << full;
  for (const int refused : {EACCES, EPERM, EROFS, ENOTDIR, EISDIR, ELOOP}) {
    EXPECT_EQ(code_for_errno(refused), Code::kPermission) << refused;
  }
  // Whatever is not one of these says nothing of what is there: "absent" least of all.
  for (int error = 1; error < 140; ++error) {
    const Code code = code_for_errno(error);
    EXPECT_NE(code, Code::kOk) << error;
    EXPECT_EQ(code == Code::kNotFound, error == ENOENT) << error;
  }
  EXPECT_EQ(code_for_errno(EIO), Code::kIoError);
  EXPECT_EQ(code_for_errno(EMFILE), Code::kIoError);
  EXPECT_EQ(code_for_errno(EWOULDBLOCK), Code::kIoError);
}

TEST(ErrorsTest, MessagesSayWhatFailedWhereWhyAndWhatToDo) {
  EXPECT_EQ(errno_status(ENOSPC, "write", "/data/a.log").message(),
            "cannot write /data/a.log: No space left on device. Make room on the device, then try again.");
  EXPECT_EQ(errno_status(ENOENT, "open", "/data/a.log").message(),
            "cannot open /data/a.log: No such file or directory.");
  EXPECT_EQ(errno_status(EEXIST, "create", "/data/a.tmp").message(),
            "cannot create /data/a.tmp: File exists. Something with that name already exists: move it away.");
  EXPECT_THAT(errno_status(99'999, "open", "/a").message(), ::testing::StartsWith("cannot open /a: "));
}

TEST(ErrorsTest, NamesStayInsideTheDirectory) {
  for (const std::string_view name : {"a", "flint.lock", "...", "a b", "\xff"}) EXPECT_TRUE(validate_name(name).ok());
  for (const std::string_view name : {std::string_view(""), std::string_view("."), std::string_view(".."),
                                      std::string_view("a/b"), std::string_view("/"), std::string_view("a\0b", 3)}) {
    EXPECT_EQ(validate_name(name).code(), Code::kInvalidArgument) << name;
  }
  EXPECT_TRUE(validate_name(std::string(255, 'n')).ok());
  EXPECT_EQ(validate_name(std::string(256, 'n')).code(), Code::kInvalidArgument);
}

TEST(ErrorsTest, PathsAreJoinedWithOneSlash) {
  EXPECT_EQ(join_path("/data", "a"), "/data/a");
  EXPECT_EQ(join_path("/", "a"), "/a");
  EXPECT_EQ(join_path("data", "a"), "data/a");
}

}  // namespace
}  // namespace flint::io
