#include "client/exchange.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <thread>

#include "base/unique_fd.h"

namespace flint::client {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kDecision =
    R"({"key":"k","allowed":true,"cost":1,"limit":2,"remaining":1,"reset_at":"2026-11-23T18:22:02.123Z",)"
    R"("reset_after_ms":600,"retry_after_ms":0,"algorithm":"token_bucket"})";

std::string answer(std::string_view body, std::string_view line = "HTTP/1.1 200 OK", std::string_view field = "") {
  return std::string(line) + "\r\nContent-Type: application/json\r\n" + std::string(field) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

class ExchangeTest : public ::testing::Test {
 protected:
  ExchangeTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_ = base::UniqueFd(ends[0]);
    theirs_ = base::UniqueFd(ends[1]);
  }

  /// Puts an answer into the socket beforehand, and ends the other side unless it is to stay.
  void say(std::string_view text, bool stay = true) {
    EXPECT_EQ(::send(theirs_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    if (!stay) ::shutdown(theirs_.get(), SHUT_WR);
  }

  Exchanged ask(milliseconds timeout = std::chrono::seconds(20)) {
    return exchange(ours_.get(), "request", "k", 1, std::chrono::steady_clock::now() + timeout, [] { return true; });
  }

  base::UniqueFd ours_;
  base::UniqueFd theirs_;
};

TEST_F(ExchangeTest, APlainDecisionIsRead) {
  say(answer(kDecision));
  const Exchanged done = ask();
  ASSERT_TRUE(done.decision);
  EXPECT_EQ(done.sent, 7U);
  EXPECT_EQ(done.decision->remaining, 1U);
  EXPECT_TRUE(is_silent(ours_.get()));
  std::array<char, 16> room{};
  EXPECT_EQ(::recv(theirs_.get(), room.data(), room.size(), 0), 7);
}

TEST_F(ExchangeTest, AnAnswerThatComesByteByByteIsRead) {
  std::thread drips([this] {
    for (const char byte : answer(kDecision)) say({&byte, 1});
  });
  EXPECT_TRUE(ask().decision);
  drips.join();
}

TEST_F(ExchangeTest, WhatIsNoPlainDecisionIsHandedOverAsItCame) {
  const std::array others = {
      answer(kDecision, "HTTP/1.1 404 Not Found"),
      answer(kDecision, "HTTP/1.0 200 OK"),
      answer(kDecision, "HTTP/1.1 200 OK", "Connection: close\r\n"),
      answer(kDecision, "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n"),
      answer(kDecision, "HTTP/1.1 200 OK", "content-length: 5\r\n"),
      answer(kDecision, "HTTP/1.1 200 OK", " folded: x\r\n"),
      answer(kDecision) + "x",
      answer("{}"),
      answer("null"),
      answer(R"({"key":"other")" + std::string(kDecision.substr(10))),
      answer("<html>"),
      std::string("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
  };
  for (const std::string& other : others) {
    say(other);
    const Exchanged done = ask();
    EXPECT_FALSE(done.decision) << other;
    EXPECT_EQ(done.received, other);
    EXPECT_EQ(done.error, 0);
    std::array<char, 16> room{};
    EXPECT_EQ(::recv(theirs_.get(), room.data(), room.size(), 0), 7);
  }
}

TEST_F(ExchangeTest, TheEndIsNoError) {
  say("HTTP/1.1 2", false);
  const Exchanged done = ask();
  EXPECT_EQ(done.received, "HTTP/1.1 2");
  EXPECT_EQ(done.error, 0);
  EXPECT_FALSE(is_silent(ours_.get()));
}

TEST_F(ExchangeTest, TheDeadlineEndsIt) {
  say("HTTP/1.1 2");
  const Exchanged done = ask(milliseconds(20));
  EXPECT_EQ(done.error, ETIMEDOUT);
  EXPECT_EQ(done.received, "HTTP/1.1 2");
}

TEST_F(ExchangeTest, AServerThatReadsNothingIsAnError) {
  theirs_ = base::UniqueFd();
  const Exchanged done = ask();
  EXPECT_EQ(done.error, EPIPE);
  EXPECT_EQ(done.sent, 0U);
}

TEST_F(ExchangeTest, WhatSaysSomethingUnaskedIsNotSilent) {
  EXPECT_TRUE(is_silent(ours_.get()));
  say("x");
  EXPECT_FALSE(is_silent(ours_.get()));
}

TEST(ReadDecision, OnlyOfThisKeyAndCost) {
  EXPECT_TRUE(read_decision(kDecision, "k", 1));
  EXPECT_FALSE(read_decision(kDecision, "l", 1));
  EXPECT_FALSE(read_decision(kDecision, "k", 2));
  EXPECT_FALSE(read_decision("", "k", 1));
  EXPECT_FALSE(read_decision(std::string(100'000, '['), "k", 1));
}

}  // namespace
}  // namespace flint::client
