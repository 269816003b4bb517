#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "testing/test_server.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCounts = false;  // they bring an operator new of their own
#else
constexpr bool kCounts = true;
#endif

namespace {

std::atomic<std::size_t> allocations = 0;
/// Not on the thread of the test, whose client allocates.
thread_local bool is_counted = true;

[[maybe_unused]] void* allocate(std::size_t size) {
  if (is_counted) allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace flint::server {
namespace {

using testing::get;
using testing::post;
using testing::TestClient;
using testing::TestServer;

class Allocations : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kCounts) GTEST_SKIP() << "a sanitizer allocates instead";
    is_counted = false;
    const auto made = [](Units rate) { return Limit{.rate = rate, .per = std::chrono::hours(24)}; };
    ASSERT_TRUE(server_.limiter().limit("open", made(kMaxUnits)).ok());
    ASSERT_TRUE(server_.limiter().limit("shut", made(1)).ok());
    ASSERT_TRUE(server_.limiter().check("shut").ok());
  }
  void TearDown() override { is_counted = true; }

  /// How often the server allocates from the bytes of a request to the bytes of its answer, in the usual case: a tick
  /// or a flush may come in between.
  std::size_t per_request(const std::string& request, const std::string& expected) {
    TestClient client = server_.connect();
    std::vector<std::size_t> counts;
    for (int i = 0; i < 201; ++i) {
      const std::size_t before = allocations.load();
      EXPECT_TRUE(client.send(request));
      const auto response = client.receive();
      counts.push_back(allocations.load() - before);
      if (!response || response->body.find(expected) == std::string::npos) {
        ADD_FAILURE() << (response ? response->body : "no answer");
        break;
      }
    }
    std::nth_element(counts.begin(), counts.begin() + counts.size() / 2, counts.end());
    return counts[counts.size() / 2];
  }

  TestServer server_{TestServer::defaults(), SyncMode::kBatch};
};

TEST_F(Allocations, AreCounted) {
  // A page of keys is made in memory: if this counted nothing, the tests below would say nothing.
  EXPECT_GT(per_request(get("/v1/limits"), R"("key":"open")"), 0U);
}

TEST_F(Allocations, NoneForAnAllowedCheck) {
  EXPECT_EQ(per_request(post("/v1/check", R"({"key":"open"})"), R"("allowed":true)"), 0U);
  EXPECT_EQ(per_request(post("/v1/check", R"({"key":"open","cost":2})"), R"("allowed":true)"), 0U);
}

TEST_F(Allocations, NoneForADeniedCheck) {
  EXPECT_EQ(per_request(post("/v1/check", R"({"key":"shut"})"), R"("allowed":false)"), 0U);
}

TEST_F(Allocations, NoneForAStatus) { EXPECT_EQ(per_request(get("/v1/limits/open"), R"("key":"open")"), 0U); }

TEST_F(Allocations, OneForAKeyThatIsNotShort) {
  // The decision owns its key, and a string has room for 15 bytes of its own.
  const std::string key = "a-key-that-is-longer-than-that";
  ASSERT_TRUE(server_.limiter().limit(key, {.rate = kMaxUnits, .per = std::chrono::hours(24)}).ok());
  EXPECT_LE(per_request(post("/v1/check", R"({"key":")" + key + R"("})"), R"("allowed":true)"), 1U);
}

}  // namespace
}  // namespace flint::server
