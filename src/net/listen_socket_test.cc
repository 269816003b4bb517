#include "net/listen_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "testing/test_client.h"
#include "testing/test_server.h"

namespace flint::net {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryDirectory;
using testing::TestClient;

TEST(ListenSocket, FindsAFreePortAndSaysWhich) {
  Result<ListenSocket> socket = ListenSocket::bind_tcp({.path = {}, .host = "127.0.0.1", .port = 0});
  ASSERT_TRUE(socket.ok()) << socket.status().message();
  ASSERT_TRUE(socket->listen().ok());
  EXPECT_NE(socket->url(), "http://127.0.0.1:0");
  const auto port = static_cast<std::uint16_t>(std::stoi(socket->url().substr(17)));
  const Result<ListenSocket> second = ListenSocket::bind_tcp({.path = {}, .host = "127.0.0.1", .port = port});
  EXPECT_EQ(second.code(), Code::kPermission);
  EXPECT_THAT(second.status().message(), HasSubstr(socket->url()));
  EXPECT_THAT(second.status().message(), HasSubstr("--bind"));
}

TEST(ListenSocket, InTheFileSystemIsItsOwnersAndGoesWithIt) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s.sock";
  {
    Result<ListenSocket> socket = ListenSocket::bind_unix(path);
    ASSERT_TRUE(socket.ok()) << socket.status().message();
    struct stat info {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    ASSERT_TRUE(socket->listen().ok());
    EXPECT_TRUE(TestClient::connect_unix(path).connected());
    EXPECT_EQ(ListenSocket::bind_unix(path).code(), Code::kPermission) << "somebody listens there";
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ListenSocket, ReplacesASocketThatNobodyListensOn) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/flint.sock";
  Result<ListenSocket> abandoned = ListenSocket::bind_unix(path);
  ASSERT_TRUE(abandoned.ok());
  Result<ListenSocket> socket = ListenSocket::bind_unix(path);
  ASSERT_TRUE(socket.ok()) << socket.status().message();
  Result<ListenSocket> in_data_dir = ListenSocket::bind_in_data_dir(directory.path());
  ASSERT_TRUE(in_data_dir.ok()) << in_data_dir.status().message();
  ASSERT_TRUE(in_data_dir->listen().ok());
  socket = Status(Code::kClosed, "");
  abandoned = Status(Code::kClosed, "");
  EXPECT_TRUE(TestClient::connect_unix(path).connected()) << "the name is not theirs any more";
}

TEST(ListenSocket, LeavesAFileAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/flint.sock";
  std::ofstream(path) << "mine";
  EXPECT_EQ(ListenSocket::bind_unix(path).code(), Code::kPermission);
  EXPECT_THAT(ListenSocket::bind_in_data_dir(directory.path()).status().message(), HasSubstr("not a socket"));
  EXPECT_EQ(std::filesystem::file_size(path), 4U);
}

TEST(ListenSocket, WorksInADirectoryWithALongName) {
  const TemporaryDirectory directory;
  const std::string deep = directory.path() + "/" + std::string(200, 'd');
  std::filesystem::create_directory(deep);
  Result<ListenSocket> socket = ListenSocket::bind_in_data_dir(deep);
  ASSERT_TRUE(socket.ok()) << socket.status().message();
  ASSERT_TRUE(socket->listen().ok());
  EXPECT_TRUE(std::filesystem::is_socket(deep + "/flint.sock"));
  EXPECT_EQ(ListenSocket::bind_unix(deep + "/" + std::string(150, 's')).code(), Code::kPermission);
  EXPECT_EQ(ListenSocket::bind_unix(directory.path() + "/nowhere/s.sock").code(), Code::kIoError);
}

}  // namespace
}  // namespace flint::net
