#include "net/storage_gate.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace flint::net {
namespace {

TEST(StorageGate, WakesWhoeverFoundItFullOnce) {
  StorageGate gate(2);
  int woken = 0;
  StorageGate::Waiter waiter([&] { ++woken; });
  EXPECT_TRUE(gate.enter(waiter));
  EXPECT_TRUE(gate.enter(waiter));
  EXPECT_FALSE(gate.enter(waiter));
  EXPECT_FALSE(gate.enter(waiter));
  EXPECT_EQ(woken, 0);
  gate.leave(1);
  EXPECT_EQ(woken, 1) << "a wake for every try would make tries for every wake";
  EXPECT_TRUE(gate.enter(waiter));
  EXPECT_FALSE(gate.enter(waiter));
  gate.leave(2);
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(gate.enter(waiter));
  gate.leave(1);
  EXPECT_EQ(woken, 2) << "nobody waits";
}

TEST(StorageGate, IsNeverTooFullAndForgetsNobody) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 20'000;
  StorageGate gate(2);
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  struct Client {
    std::atomic<int> wakes = 0;
    StorageGate::Waiter waiter{[this] {
      ++wakes;
      wakes.notify_one();
    }};
  };
  std::array<Client, kThreads> clients;
  std::vector<std::thread> threads;
  for (Client& client : clients) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < kTurns; ++turn) {
        for (;;) {
          const int seen = client.wakes;
          if (gate.enter(client.waiter)) break;
          client.wakes.wait(seen);
        }
        const int now = ++inside;
        for (int known = most; now > known && !most.compare_exchange_weak(known, now);) {
        }
        --inside;
        gate.leave(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 2);
}

}  // namespace
}  // namespace flint::net
