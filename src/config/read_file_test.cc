#include "config/read_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "testing/files.h"

namespace flint::config {
namespace {

using ::testing::HasSubstr;

class ReadFile : public ::testing::Test {
 protected:
  std::string path(const std::string& name) { return directory_.path_of(name); }

  testing::TemporaryDirectory directory_;
};

TEST_F(ReadFile, GivesAllOfIt) {
  const std::string text = std::string(200'000, 'x') + '\0' + "end";
  std::ofstream(path("file")) << text;
  EXPECT_EQ(*read_file(path("file")), text);
  std::ofstream(path("empty")) << "";
  EXPECT_EQ(*read_file(path("empty")), "");
}

TEST_F(ReadFile, ANameThatIsNoFileIsAnErrorOfTheArgument) {
  EXPECT_EQ(read_file(path("nothing")).code(), Code::kInvalidArgument);
  EXPECT_THAT(read_file(path("nothing")).status().message(), HasSubstr("nothing cannot be read: No such file"));
  EXPECT_THAT(read_file(directory_.path()).status().message(), HasSubstr("is a directory, not a file."));
  EXPECT_EQ(read_file("").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace flint::config
