#include "net/stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "base/unique_fd.h"

namespace flint::net {
namespace {

/// The other half of a connection: notes what happens to it.
class Noting final : public Stream {
 public:
  using Stream::abort;
  using Stream::Client;
  using Stream::client;
  using Stream::client_name;
  using Stream::linger;
  using Stream::read;
  using Stream::Reading;
  using Stream::reading;
  using Stream::Stream;
  using Stream::write;
  using Stream::Writing;
  using Stream::writing;

  void start() override {}
  void give_way() override { close(); }
  void doubt() override {}
  void enforce_deadlines() override {}
  void drain() override {}
  void stop() override { close(); }

  std::array<char, 64> space{};
  std::string noted;

 private:
  void on_input(std::size_t count) override { noted += "read " + std::string(space.data(), count) + "; "; }
  void on_end_of_input() override { noted += "end; "; }
  void on_writable() override { noted += "writable; "; }
  void on_close() override { noted += "closed; "; }
};

/// A stream and its client, in one thread.
class StreamTest : public ::testing::Test {
 protected:
  StreamTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    client_ = base::UniqueFd(ends[1]);
    Socket socket(context_.get_executor());
    socket.assign(asio::generic::stream_protocol(AF_UNIX, 0), ends[0]);
    stream_ = std::make_shared<Noting>(std::move(socket));
  }

  void client_sends(std::string_view bytes) {
    ASSERT_EQ(::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// What has come, without waiting; "end" when nothing follows.
  std::string client_receives() {
    std::string received(1 << 16, '\0');
    const ssize_t count = ::recv(client_.get(), received.data(), received.size(), MSG_DONTWAIT);
    if (count == 0) return "end";
    received.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return received;
  }
  /// Until the next event was handled.
  void run_one() {
    context_.restart();
    ASSERT_EQ(context_.run_one(), 1U);
  }
  void fill_socket() {
    const std::string bytes(1 << 16, 'x');
    while (stream_->writing() == Noting::Writing::kFree) stream_->write(bytes);
  }

  IoContext context_{1};
  base::UniqueFd client_;
  std::shared_ptr<Noting> stream_;
};

TEST_F(StreamTest, ReadsOnlyWhenItIsAsked) {
  client_sends("one");
  EXPECT_EQ(context_.poll(), 0U);
  stream_->read(stream_->space);
  EXPECT_EQ(stream_->reading(), Noting::Reading::kAsked);
  run_one();
  EXPECT_EQ(stream_->noted, "read one; ");
  EXPECT_EQ(stream_->reading(), Noting::Reading::kPaused);
}

TEST_F(StreamTest, TellsTheEndOfInputAndStaysOpen) {
  stream_->read(stream_->space);
  ::shutdown(client_.get(), SHUT_WR);
  run_one();
  EXPECT_EQ(stream_->noted, "end; ");
  EXPECT_EQ(stream_->write("answer"), 6U);
  EXPECT_EQ(client_receives(), "answer");
  EXPECT_EQ(stream_->client(), Noting::Client::kEnded);
}

TEST_F(StreamTest, SaysWhenAFullSocketTakesMore) {
  fill_socket();
  EXPECT_EQ(stream_->writing(), Noting::Writing::kFull);
  while (!client_receives().empty()) {
  }
  run_one();
  EXPECT_EQ(stream_->noted, "writable; ");
  EXPECT_EQ(stream_->writing(), Noting::Writing::kFree);
}

TEST_F(StreamTest, LingersUntilItsClientHasClosed) {
  EXPECT_EQ(stream_->write("last"), 4U);
  stream_->linger();
  EXPECT_EQ(client_receives(), "last");
  EXPECT_EQ(client_receives(), "end");
  client_sends("what nobody reads any more");
  run_one();
  EXPECT_TRUE(stream_->is_open());
  client_.reset();
  run_one();
  EXPECT_EQ(stream_->noted, "closed; ");
}

// A timeout is answered while a read is out: what came with it was taken for the next request.
TEST_F(StreamTest, ForgetsWhatAReadThatWasOutBrings) {
  stream_->read(stream_->space);
  stream_->linger();
  client_sends("too late");
  run_one();
  EXPECT_EQ(stream_->noted, "");
  EXPECT_EQ(stream_->reading(), Noting::Reading::kLingers);
  client_.reset();
  while (stream_->is_open()) run_one();
  EXPECT_EQ(stream_->noted, "closed; ");
}

TEST_F(StreamTest, DoesNotLingerForWhoNeverStopsSending) {
  stream_->linger();
  const std::string bytes(1 << 16, 'x');
  int rounds = 0;
  for (; stream_->is_open() && rounds < 1000; ++rounds) {
    static_cast<void>(::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    run_one();
  }
  EXPECT_FALSE(stream_->is_open()) << "after " << rounds << " rounds";
}

TEST_F(StreamTest, ClosesOnceAndCallsNobodyAfterwards) {
  stream_->read(stream_->space);
  fill_socket();
  stream_->close();
  stream_->close();
  stream_->abort();
  context_.restart();
  context_.poll();
  EXPECT_EQ(stream_->noted, "closed; ");
  EXPECT_EQ(stream_->writing(), Noting::Writing::kShut);
}

TEST_F(StreamTest, NoticesThatItsClientHasGone) {
  EXPECT_EQ(stream_->client(), Noting::Client::kThere);
  EXPECT_NE(stream_->client_name().find("process " + std::to_string(getpid())), std::string::npos);
  client_.reset();
  EXPECT_EQ(stream_->client(), Noting::Client::kGone);
  stream_->write("x");
  EXPECT_FALSE(stream_->is_open());
}

}  // namespace
}  // namespace flint::net
