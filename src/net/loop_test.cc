#include "net/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <string>

namespace flint::net {
namespace {

using std::chrono::milliseconds;

/// A connection that understands nothing, and counts what its loop asks of it.
class Counting final : public Stream {
 public:
  Counting(Loop& loop, Socket socket, std::shared_ptr<Visitor> visitor)
      : Stream(std::move(socket)), loop_(loop), visitor_(std::move(visitor)) {}

  void start() override { ++started; }
  void give_way() override { close(); }
  void doubt() override {}
  void enforce_deadlines() override {
    if (seen_ != SteadyClock::time_point() && loop_.now() <= seen_) clock_stood_ = true;
    seen_ = loop_.now();
    if (++ticks == 3) ticked_.set_value(!clock_stood_);
  }
  void drain() override {
    EXPECT_TRUE(loop_.is_draining());
    drained_.set_value();
  }
  void stop() override {
    ++stopped;
    close();
  }

  std::future<bool> three_ticks() { return ticked_.get_future(); }
  std::future<void> drained() { return drained_.get_future(); }
  std::atomic<int> started = 0;
  std::atomic<int> ticks = 0;
  std::atomic<int> stopped = 0;

 private:
  void on_input(std::size_t /*count*/) override {}
  void on_end_of_input() override {}
  void on_writable() override {}
  void on_close() override {
    loop_.remove(shared_from_this(), *visitor_);
    loop_.remove(shared_from_this(), *visitor_);
  }

  Loop& loop_;
  const std::shared_ptr<Visitor> visitor_;
  SteadyClock::time_point seen_;
  bool clock_stood_ = false;
  std::promise<bool> ticked_;
  std::promise<void> drained_;
};

/// A loop that is running, with a table and, after connect(), a client.
class LoopTest : public ::testing::Test {
 protected:
  LoopTest() { loop_.start(); }

  std::shared_ptr<Visitor> enter() {
    auto visitor = std::make_shared<Visitor>();
    visitor->context = &loop_.context();
    table_.enter(visitor);
    return visitor;
  }
  std::shared_ptr<Counting> connect() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    client_ = base::UniqueFd(ends[1]);
    std::promise<std::shared_ptr<Counting>> made;
    const std::shared_ptr<Visitor> visitor = enter();
    loop_.adopt(base::UniqueFd(ends[0]), visitor, [this, visitor, &made](Socket socket) {
      auto stream = std::make_shared<Counting>(loop_, std::move(socket), visitor);
      made.set_value(stream);
      return stream;
    });
    return made.get_future().get();
  }
  /// Runs `work` on the loop's thread.
  template <typename Work>
  void on_loop(const Work& work) {
    std::promise<void> done;
    asio::post(loop_.context(), [&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }

  ConnectionTable table_{4};
  std::atomic<int> clock_reads_ = 0;
  base::UniqueFd client_;
  Loop loop_{table_, milliseconds(5), [this] { ++clock_reads_; }};
};

TEST_F(LoopTest, HasAConnectionUntilItCloses) {
  const std::shared_ptr<Counting> stream = connect();
  EXPECT_EQ(loop_.load(), 1U);
  on_loop([&] { EXPECT_EQ(loop_.streams(), std::vector<std::shared_ptr<Stream>>{stream}); });
  EXPECT_EQ(stream->started, 1);
  // However often it says that it has closed.
  on_loop([&] { stream->close(); });
  EXPECT_EQ(loop_.load(), 0U);
  EXPECT_EQ(table_.count(), 0U);
}

TEST_F(LoopTest, MakesNothingOfASocketThatIsNone) {
  loop_.adopt(base::UniqueFd(), enter(), [](Socket) -> std::shared_ptr<Stream> {
    ADD_FAILURE() << "made a connection";
    return nullptr;
  });
  EXPECT_TRUE(table_.wait_for(0, std::chrono::seconds(10)));
  EXPECT_EQ(loop_.load(), 0U);
}

TEST_F(LoopTest, ReadsTheClockForItsConnectionsAlsoAfterItHadNone) {
  EXPECT_EQ(clock_reads_, 0);
  const std::shared_ptr<Counting> stream = connect();
  EXPECT_TRUE(stream->three_ticks().get()) << "the clock stood still";
  EXPECT_GE(clock_reads_, 3);
  on_loop([&] { stream->close(); });
  EXPECT_TRUE(connect()->three_ticks().get()) << "the clock stood still";
}

TEST_F(LoopTest, TellsItsConnectionsThatItDrains) {
  const std::shared_ptr<Counting> stream = connect();
  std::future<void> drained = stream->drained();
  loop_.drain();
  drained.get();
  EXPECT_EQ(stream->stopped, 0);
}

TEST_F(LoopTest, StopsTheConnectionsThatAreLeftWhenItEnds) {
  const std::shared_ptr<Counting> stream = connect();
  loop_.join();
  EXPECT_EQ(stream->stopped, 1);
  EXPECT_FALSE(stream->is_open());
  EXPECT_EQ(table_.count(), 0U);
}

TEST(Mailbox, DropsWhatIsPostedToALoopThatIsGone) {
  ConnectionTable table(1);
  std::shared_ptr<Mailbox> mailbox;
  {
    Loop loop(table, milliseconds(5), [] {});
    mailbox = loop.mailbox();
    loop.start();
    std::promise<void> taken;
    mailbox->post([&] { taken.set_value(); });
    taken.get_future().get();
  }
  mailbox->post([] { ADD_FAILURE() << "ran"; });
}

}  // namespace
}  // namespace flint::net
