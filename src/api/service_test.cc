#include "api/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "backend/local.h"

namespace flint::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// 2026-11-23T18:22:02.123Z, until a test moves it on.
class TestClock final : public Clock {
 public:
  [[nodiscard]] ClockReading read() const noexcept override { return {WallTime(now), now}; }
  Nanos now = std::chrono::milliseconds(1'795'458'122'123);
};

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    std::string name = (std::filesystem::temp_directory_path() / "flint-api-XXXXXX").string();
    path_ = mkdtemp(name.data());
    Options options;
    options.sync = SyncMode::kBatch;
    options.clock = &clock_;
    limiter_ = std::move(*Limiter::open(path_, options));
    backend_ = std::make_unique<backend::LocalBackend>(*limiter_);
    service_ = std::make_unique<Service>(*backend_);
  }
  ~ServiceTest() override {
    limiter_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  Response get(std::string_view path, std::string_view query = "") {
    return service_->handle({.method = Method::kGet, .path = path, .query = query, .body = {}});
  }
  Response post(std::string_view path, std::string_view body, std::string_view query = "") {
    return service_->handle({.method = Method::kPost, .path = path, .query = query, .body = body});
  }
  void add_limits() {
    EXPECT_EQ(post("/v1/limits", R"({"key":"a","rate":10,"per":"10s","burst":5})").body, R"({"ok":true})");
    EXPECT_EQ(post("/v1/limits", R"({"key":"b/c","rate":2,"per":60,"algorithm":"sliding_window_log"})").status, 200);
  }

  std::string path_;
  TestClock clock_;
  std::unique_ptr<Limiter> limiter_;
  std::unique_ptr<backend::LocalBackend> backend_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, AnswersAreTheseBytes) {
  add_limits();
  EXPECT_EQ(get("/v1/limits").body,
            R"([{"key":"a","rate":10,"per_millis":10000,"burst":5,"algorithm":"token_bucket",)"
            R"("source":"set","mode":"enforce","remaining":5,)"
            R"("reset_at":"2026-11-23T18:22:02.123Z","total_allowed":0,"total_denied":0,"total_allowed_cost":0,)"
            R"("total_denied_cost":0,"would_deny":0,"reserved":0,"last_allowed_at":null,"last_denied_at":null,)"
            R"("last_reset_at":null},)"
            R"({"key":"b/c","rate":2,"per_millis":60000,"burst":null,"algorithm":"sliding_window_log",)"
            R"("source":"set","mode":"enforce","remaining":2,)"
            R"("reset_at":"2026-11-23T18:22:02.123Z","total_allowed":0,"total_denied":0,"total_allowed_cost":0,)"
            R"("total_denied_cost":0,"would_deny":0,"reserved":0,"last_allowed_at":null,"last_denied_at":null,)"
            R"("last_reset_at":null}])");
  EXPECT_EQ(post("/v1/check", R"({"key":"a","cost":4})").body,
            R"({"key":"a","allowed":true,"cost":4,"limit":5,"remaining":1,"reset_at":"2026-11-23T18:22:06.123Z",)"
            R"("reset_after_ms":4000,"retry_after_ms":0,"algorithm":"token_bucket"})");
  clock_.now += std::chrono::milliseconds(500);
  EXPECT_EQ(post("/v1/check", R"({"key":"a","cost":2})").body,
            R"({"key":"a","allowed":false,"cost":2,"limit":5,"remaining":1,"reset_at":"2026-11-23T18:22:06.123Z",)"
            R"("reset_after_ms":3500,"retry_after_ms":500,"algorithm":"token_bucket"})");
  EXPECT_EQ(post("/v1/check-all", R"({"items":["b/c",["a",3]]})").body,
            R"({"allowed":false,"denied_key":"a","results":[)"
            R"({"key":"b/c","allowed":true,"cost":1,"limit":2,"remaining":2,"reset_at":"2026-11-23T18:22:02.623Z",)"
            R"("reset_after_ms":0,"retry_after_ms":0,"algorithm":"sliding_window_log"},)"
            R"({"key":"a","allowed":false,"cost":3,"limit":5,"remaining":1,"reset_at":"2026-11-23T18:22:06.123Z",)"
            R"("reset_after_ms":3500,"retry_after_ms":1500,"algorithm":"token_bucket"}]})");
  EXPECT_THAT(post("/v1/check-all", R"({"items":["b/c"]})").body, StartsWith(R"({"allowed":true,"denied_key":null,)"));
  EXPECT_EQ(post("/v1/reset", R"({"key":"a"})").body, R"({"ok":true})");
  EXPECT_EQ(get("/v1/limits/a").body,
            R"({"key":"a","rate":10,"per_millis":10000,"burst":5,"algorithm":"token_bucket","source":"set",)"
            R"("mode":"enforce","remaining":5,)"
            R"("reset_at":"2026-11-23T18:22:02.623Z","total_allowed":1,"total_denied":2,"total_allowed_cost":4,)"
            R"("total_denied_cost":5,"would_deny":0,"reserved":0,"last_allowed_at":"2026-11-23T18:22:02.123Z",)"
            R"("last_denied_at":"2026-11-23T18:22:02.623Z","last_reset_at":"2026-11-23T18:22:02.623Z"})");
  EXPECT_EQ(get("/v1/history/a").body,
            R"([{"seq":1,"at":"2026-11-23T18:22:02.123Z","kind":"configured","cost":0,"count":1,"rate":10,)"
            R"("per_millis":10000,"burst":5,"algorithm":"token_bucket","mode":"enforce"},)"
            R"({"seq":3,"at":"2026-11-23T18:22:02.123Z","kind":"allowed","cost":4,"count":1},)"
            R"({"seq":5,"at":"2026-11-23T18:22:02.623Z","kind":"denied","cost":5,"count":2},)"
            R"({"seq":5,"at":"2026-11-23T18:22:02.623Z","kind":"reset","cost":0,"count":1}])");
  EXPECT_THAT(get("/v1/top").body, StartsWith(R"([{"key":"a",)"));
  EXPECT_THAT(get("/v1/top", "by=allowed").body, HasSubstr(R"(},{"key":"b/c",)"));
  EXPECT_EQ(post("/v1/log/flush", "").body, R"({"ok":true})");
  EXPECT_EQ(post("/v1/log/compact", "{}").body, R"({"ok":true})");
  EXPECT_THAT(get("/v1/doctor").body, HasSubstr(R"("limits":2,"aof_bytes":)"));
  EXPECT_THAT(get("/v1/health").body, StartsWith(R"({"ok":true,)"));
}

TEST_F(ServiceTest, ABatchHasAResultForEachCheck) {
  add_limits();
  EXPECT_EQ(post("/v1/check-batch", R"({"checks":[]})").body, R"({"results":[]})");
  const Response mixed =
      post("/v1/check-batch", R"({"checks":[{"key":"a","cost":5},{"key":"nobody"},{"key":"a"},)"
                              R"({"key":"a","cost":"x"},{"key":"new","limit":"3/h","dry_run":true}]})");
  EXPECT_EQ(mixed.status, 200);
  EXPECT_THAT(mixed.body, StartsWith(R"({"results":[{"key":"a","allowed":true,"cost":5,)"));
  EXPECT_THAT(mixed.body,
              HasSubstr(R"({"error":"no limit is configured for key \"nobody\".","code":"limit_not_found"},)"
                        R"({"key":"a","allowed":false,)"));
  EXPECT_THAT(mixed.body, HasSubstr(R"({"error":"checks[3].cost must be an integer)"));
  EXPECT_THAT(mixed.body, HasSubstr(R"({"key":"new","allowed":true,"cost":1,"limit":3,)"));
  EXPECT_THAT(post("/v1/check-batch", R"({"checks":[{"key":"a"}],"dry_run":true})").body,
              HasSubstr("dry_run is not a field"));
}

TEST_F(ServiceTest, ABatchMayHaveManyMoreValuesThanOtherRequests) {
  std::string body = R"({"checks":[)";
  for (int i = 0; i < 1'000; ++i) {
    body += std::string(i == 0 ? "" : ",") + R"({"key":"k)" + std::to_string(i) +
            R"(","cost":1,"limit":{"rate":3,"per":"1h","algorithm":"token_bucket","burst":5},"dry_run":false})";
  }
  const Response response = post("/v1/check-batch", body + "]}");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr(R"({"key":"k999","allowed":true,"cost":1,"limit":5,"remaining":4,)"));
  EXPECT_THAT(post("/v1/check-all", body + "]}").body, HasSubstr("contains more than 4096 JSON values"));
}

TEST_F(ServiceTest, PatternsAndCarriedLimitsNeedNoSetUpOfKeys) {
  EXPECT_EQ(post("/v1/limits", R"({"key":"ip:*","limit":"2/m","override":true})").body, R"({"ok":true})");
  EXPECT_THAT(post("/v1/check", R"({"key":"ip:1","dry_run":true})").body, HasSubstr(R"("remaining":1,)"));
  EXPECT_THAT(post("/v1/check", R"({"key":"ip:1","limit":"9/m"})").body, HasSubstr(R"("limit":2,"remaining":1,)"));
  EXPECT_THAT(post("/v1/check", R"({"key":"user","limit":{"rate":9,"per":"1m"}})").body,
              HasSubstr(R"("remaining":8,)"));
  EXPECT_THAT(post("/v1/check-all", R"({"items":["ip:1",{"key":"user","limit":"9/m"}]})").body,
              HasSubstr(R"("remaining":7,)"));
  EXPECT_THAT(get("/v1/limits/ip%3A*").body,
              HasSubstr(R"("source":"set","mode":"enforce","override":true,"keys":1,"remaining":2,)"));
  EXPECT_THAT(get("/v1/limits/ip:1").body,
              HasSubstr(R"("source":"pattern","pattern":"ip:*","mode":"enforce","remaining":0,)"));
  EXPECT_THAT(get("/v1/limits/ip:2").body,
              HasSubstr(R"("source":"pattern","pattern":"ip:*","mode":"enforce","remaining":2,)"));
  EXPECT_THAT(get("/v1/limits/user").body, HasSubstr(R"("source":"carried","mode":"enforce","remaining":7,)"));
  EXPECT_THAT(get("/v1/limits").body, Not(HasSubstr(R"("key":"user")")));
  EXPECT_THAT(get("/v1/limits", "keys=true").body, HasSubstr(R"("key":"user")"));
  EXPECT_EQ(get("/v1/limits", "keys=yes").status, 400);
  EXPECT_EQ(post("/v1/check", R"({"key":"ip:*"})").status, 400);
  EXPECT_EQ(post("/v1/limits", R"({"key":"user","limit":"1/s","override":true})").status, 400);
}

TEST_F(ServiceTest, AppliesManyLimitsAllOrNone) {
  const std::string limits = R"("limits":[{"key":"a","limit":"5/s"},{"key":"p:*","rate":2,"per":1,"override":true}])";
  const std::string_view changes =
      R"({"changes":[{"key":"a","before":null,"after":{"rate":5,"per_millis":1000,"burst":5,)"
      R"("algorithm":"token_bucket","mode":"enforce","override":false}},{"key":"p:*","before":null,"after":{"rate":2,)"
      R"("per_millis":1000,"burst":2,"algorithm":"token_bucket","mode":"enforce","override":true}}],"unchanged":0})";
  EXPECT_EQ(post("/v1/apply", "{" + limits + R"(,"dry_run":true})").body, changes);
  EXPECT_EQ(get("/v1/limits").body, "[]");
  EXPECT_EQ(post("/v1/apply", "{" + limits + "}").body, changes);
  EXPECT_EQ(post("/v1/apply", "{" + limits + "}").body, R"({"changes":[],"unchanged":2})");
  const Response wrong = post("/v1/apply", R"({"limits":[{"key":"b","limit":"5/s"},{"key":"c","rate":0,"per":1}]})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("limits[1].rate must be an integer from 1 to 1099511627776, not 0."));
  EXPECT_EQ(get("/v1/limits/b").status, 404);
  EXPECT_THAT(post("/v1/apply", R"({"limits":[],"prune":true})").body, HasSubstr(R"("key":"p:*","before":{"rate":2,)"));
  EXPECT_EQ(get("/v1/limits").body, "[]");
}

TEST_F(ServiceTest, LimitsOfAFileAreAConflictForOthers) {
  const std::vector<NamedLimit> file = {{"a", {.rate = 1, .per = std::chrono::seconds(1)}}};
  ASSERT_TRUE(limiter_->apply(file, {.from_file = true}).ok());
  EXPECT_THAT(get("/v1/limits/a").body, HasSubstr(R"("source":"file")"));
  const Response remove =
      service_->handle({.method = Method::kDelete, .path = "/v1/limits/a", .query = {}, .body = {}});
  for (const Response& response : {post("/v1/limits", R"({"key":"a","limit":"5/s"})"), remove,
                                   post("/v1/apply", R"({"limits":[{"key":"a","limit":"5/s"}]})")}) {
    EXPECT_EQ(response.status, 409);
    EXPECT_THAT(response.body, HasSubstr(R"("code":"conflict")"));
  }
}

TEST_F(ServiceTest, DeletesAndResetsOneOrAllWithAPrefix) {
  add_limits();
  const auto remove = [&](std::string_view path, std::string_view query = "") {
    return service_->handle({.method = Method::kDelete, .path = path, .query = query, .body = {}});
  };
  EXPECT_EQ(post("/v1/limits", R"({"key":"ip:*","limit":"2/m"})").status, 200);
  for (const char* key : {"ip:1", "ip:2"}) {
    EXPECT_EQ(post("/v1/check", std::string(R"({"key":")") + key + R"(","cost":2})").status, 200);
  }
  EXPECT_EQ(post("/v1/reset-prefix", R"({"prefix":"ip:"})").body, R"({"reset":3})");
  EXPECT_THAT(get("/v1/limits/ip:1").body, HasSubstr(R"("remaining":2,)"));
  EXPECT_EQ(remove("/v1/limits/b%2Fc").body, R"({"ok":true})");
  EXPECT_EQ(remove("/v1/limits/b%2Fc").status, 404);
  EXPECT_EQ(remove("/v1/limits", "prefix=ip:").body, R"({"deleted":3})");
  EXPECT_EQ(remove("/v1/limits", "prefix=").status, 400);
  EXPECT_EQ(remove("/v1/limits").status, 400);
  EXPECT_EQ(get("/v1/limits", "prefix=ip:").body, "[]");
}

TEST_F(ServiceTest, ALimitThatIsNotEnforcedSaysSo) {
  EXPECT_EQ(post("/v1/limits", R"({"key":"s","rate":1,"per":"1h","mode":"shadow"})").status, 200);
  EXPECT_EQ(post("/v1/limits", R"({"key":"b:*","limit":"2/h","mode":"block"})").status, 200);
  EXPECT_THAT(post("/v1/check", R"({"key":"s"})").body,
              HasSubstr(R"("retry_after_ms":0,"algorithm":"token_bucket","would_deny":false})"));
  EXPECT_THAT(post("/v1/check", R"({"key":"s"})").body, HasSubstr(R"("would_deny":true})"));
  EXPECT_THAT(post("/v1/check", R"({"key":"b:1","limit":"9/h"})").body,
              HasSubstr(R"("allowed":false,"cost":1,"limit":2,"remaining":2,)"));
  EXPECT_THAT(post("/v1/check", R"({"key":"b:1"})").body,
              HasSubstr(R"("retry_after_ms":null,"algorithm":"token_bucket"})"));
  EXPECT_THAT(get("/v1/limits/s").body, HasSubstr(R"("source":"set","mode":"shadow","remaining":0,)"));
  EXPECT_THAT(get("/v1/limits/s").body, HasSubstr(R"("would_deny":1,)"));
  EXPECT_THAT(get("/v1/limits/b%3A*").body, HasSubstr(R"("mode":"block","override":true,"keys":0,)"));
  EXPECT_THAT(get("/v1/history/s").body, HasSubstr(R"("algorithm":"token_bucket","mode":"shadow"})"));
  EXPECT_THAT(post("/v1/limits", R"({"key":"s","limit":"1/h","mode":"deny"})").body, HasSubstr("mode must be enforce"));
  EXPECT_THAT(post("/v1/check", R"({"key":"s","limit":{"rate":1,"per":1,"mode":"block"}})").body,
              HasSubstr("limit.mode cannot come with a check"));
}

TEST_F(ServiceTest, ARequestWithAnIdIsChargedOnce) {
  add_limits();
  const std::string body = R"({"key":"a","cost":2,"request_id":"order-7"})";
  const Response first = post("/v1/check", body);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(post("/v1/check", body).body, first.body);
  EXPECT_THAT(get("/v1/limits/a").body, HasSubstr(R"("remaining":3,)"));
  const Response other = post("/v1/check", R"({"key":"a","cost":1,"request_id":"order-7"})");
  EXPECT_EQ(other.status, 409);
  EXPECT_THAT(other.body, HasSubstr(R"("code":"request_id_conflict")"));
  const std::string all = R"({"items":["a","b/c"],"request_id":"pair"})";
  EXPECT_EQ(post("/v1/check-all", all).body, post("/v1/check-all", all).body);
  EXPECT_EQ(post("/v1/check", R"({"key":"a","request_id":"x","dry_run":true})").status, 400);
  EXPECT_THAT(post("/v1/check", R"({"key":"a","request_id":""})").body, HasSubstr("request_id must be 1 to 64"));
  EXPECT_THAT(post("/v1/check-batch", R"({"checks":[{"key":"a","request_id":"a b"}]})").body,
              HasSubstr("checks[0].request_id must be 1 to 64"));
}

TEST_F(ServiceTest, ReservationsAreTheseBytes) {
  add_limits();
  const std::string at = R"("reset_at":"2026-11-23T18:22:)";
  EXPECT_EQ(post("/v1/charge", R"({"key":"a","cost":1})").body,
            R"({"key":"a","allowed":true,"cost":1,"limit":5,"remaining":4,)" + at +
                R"(03.123Z","reset_after_ms":1000,"retry_after_ms":0,"algorithm":"token_bucket"})");
  const std::string reserved = post("/v1/reserve", R"({"items":[["a",2]],"ttl":"2m","on_expiry":"return"})").body;
  const std::string before_id =
      R"({"allowed":true,"denied_key":null,"results":[{"key":"a","allowed":true,"cost":2,"limit":5,"remaining":2,)" +
      at + R"(05.123Z","reset_after_ms":3000,"retry_after_ms":0,"algorithm":"token_bucket"}],"reservation":")";
  ASSERT_THAT(reserved, StartsWith(before_id));
  const std::string id = reserved.substr(before_id.size(), 32);
  EXPECT_EQ(reserved.substr(before_id.size() + 32), R"(","expires_at":"2026-11-23T18:24:02.123Z"})");
  const std::string begin = R"({"reservation":")" + id + R"(","state":)";
  const std::string times = R"(,"items":[{"key":"a","cost":2}],"reserved_at":"2026-11-23T18:22:02.123Z",)"
                            R"("expires_at":"2026-11-23T18:24:02.123Z","on_expiry":"return","settled_at":)";
  EXPECT_EQ(get("/v1/reservations/" + id).body, begin + R"("held")" + times + "null}");
  EXPECT_THAT(get("/v1/limits/a").body, HasSubstr(R"("reserved":2,)"));
  EXPECT_EQ(post("/v1/commit", R"({"reservation":")" + id + R"(","costs":{"a":0}})").body,
            R"({"ok":true,"results":[{"key":"a","allowed":true,"cost":0,"limit":5,"remaining":4,)" + at +
                R"(03.123Z","reset_after_ms":1000,"retry_after_ms":0,"algorithm":"token_bucket"}]})");
  EXPECT_EQ(get("/v1/reservations/" + id).body, begin + R"("committed")" + times + R"("2026-11-23T18:22:02.123Z"})");
  EXPECT_THAT(post("/v1/reserve", R"({"items":[["a",5]],"ttl":60})").body,
              ::testing::EndsWith(R"(],"reservation":null,"expires_at":null})"));
  const Response unknown = get("/v1/reservations/" + std::string(32, '0'));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr(R"("code":"reservation_not_found")"));
  EXPECT_EQ(get("/v1/reservations/" + id + "/").status, 404);
  EXPECT_EQ(get("/v1/reservations/x").status, 400);
}

TEST_F(ServiceTest, WhatIsNotConfiguredIsNotFound) {
  EXPECT_EQ(get("/v1/limits").body, "[]");
  EXPECT_EQ(get("/v1/top").body, "[]");
  for (const Response& response : {get("/v1/limits/a"), get("/v1/history/a"), post("/v1/check", R"({"key":"a"})"),
                                   post("/v1/check-all", R"({"items":["a"]})"), post("/v1/reset", R"({"key":"a"})")}) {
    EXPECT_EQ(response.status, 404);
    EXPECT_THAT(response.body, HasSubstr(R"("code":"limit_not_found")"));
  }
}

TEST_F(ServiceTest, KeysInPathsArePercentEncoded) {
  add_limits();
  EXPECT_EQ(get("/v1/limits/b%2Fc").status, 200);
  EXPECT_EQ(get("/v1/limits/%62%2fc").status, 200);
  EXPECT_EQ(get("/v1/history/b%2Fc").status, 200);
  EXPECT_EQ(get("/v1/limits/b/c").status, 404);
}

TEST_F(ServiceTest, ListsInPagesAndByPrefix) {
  std::vector<std::string> keys;
  keys.reserve(600);
  for (int i = 0; i < 600; ++i) keys.push_back((i % 2 == 0 ? "even:" : "odd:") + std::to_string(1000 + i));
  for (const std::string& key : keys) {
    ASSERT_EQ(post("/v1/limits", R"({"rate":1,"per":1,"key":")" + key + "\"}").status, 200);
  }
  std::sort(keys.begin(), keys.end());
  const auto listed = [&](std::string_view query) {
    Response response = get("/v1/limits", query);
    EXPECT_TRUE(Service::complete(response).ok());
    std::vector<std::string> found;
    constexpr std::string_view kKey = "{\"key\":\"";
    for (std::size_t at = response.body.find(kKey); at != std::string::npos; at = response.body.find(kKey, at)) {
      at += kKey.size();
      found.push_back(response.body.substr(at, response.body.find('"', at) - at));
    }
    EXPECT_TRUE(response.body.starts_with('[') && response.body.ends_with(']'));
    return found;
  };
  using Keys = std::vector<std::string>;
  EXPECT_EQ(listed(""), keys);
  EXPECT_EQ(listed("prefix=odd%3A"), Keys(keys.begin() + 300, keys.end()));
  EXPECT_EQ(listed("limit=300"), Keys(keys.begin(), keys.begin() + 300));
  EXPECT_EQ(listed("limit=256"), Keys(keys.begin(), keys.begin() + 256));
  EXPECT_EQ(listed("limit=257&after=" + keys[99]), Keys(keys.begin() + 100, keys.begin() + 357));
  EXPECT_EQ(listed("after=" + keys.back()), Keys());
}

TEST_F(ServiceTest, SaysWhatAPathNeedsBeforeABodyIsRead) {
  const auto status = [&](Method method, std::string_view path) {
    const Service::Route route = service_->route(method, path);
    return route.error ? route.error->status : 200;
  };
  EXPECT_EQ(status(Method::kPost, "/v1/check"), 200);
  EXPECT_TRUE(service_->route(Method::kPost, "/v1/check").takes_body);
  EXPECT_FALSE(blocks(service_->route(Method::kPost, "/v1/check").effect));
  EXPECT_EQ(service_->route(Method::kPost, "/v1/log/compact").effect, Effect::kExamines);
  EXPECT_FALSE(service_->route(Method::kPost, "/v1/log/compact").takes_body);
  EXPECT_EQ(status(Method::kGet, "/v1/check"), 405);
  EXPECT_EQ(service_->route(Method::kOther, "/v1/limits").error->fields, "Allow: GET, HEAD, POST, DELETE\r\n");
  EXPECT_EQ(status(Method::kGet, "/v1/limits/"), 404);
  EXPECT_EQ(status(Method::kGet, "/v1/limits/a%zz"), 400);
  EXPECT_EQ(status(Method::kGet, ""), 404);
}

TEST_F(ServiceTest, SaysWhatAnEndpointDoesToTheLog) {
  const auto effect = [&](Method method, std::string_view path) { return service_->route(method, path).effect; };
  for (const std::string_view path : {"/v1/check", "/v1/check-all", "/v1/charge", "/v1/reserve", "/v1/commit",
                                      "/v1/cancel", "/v1/renew", "/v1/reset", "/v1/limits"}) {
    EXPECT_TRUE(appends(effect(Method::kPost, path))) << path;
  }
  for (const std::string_view path : {"/v1/limits/a", "/v1/reservations/a", "/v1/health", "/v1/openapi.json"}) {
    EXPECT_EQ(effect(Method::kGet, path), Effect::kReads) << path;
  }
  for (const std::string_view path : {"/v1/limits", "/v1/history/a", "/v1/top", "/v1/doctor"}) {
    EXPECT_TRUE(blocks(effect(Method::kGet, path))) << path;
  }
  for (const std::string_view path : {"/v1/log/flush", "/v1/log/compact"}) {
    EXPECT_TRUE(blocks(effect(Method::kPost, path))) << path;
  }
}

TEST_F(ServiceTest, GoesOnWhereTheRouteLeads) {
  add_limits();
  const Request request{.method = Method::kGet, .path = "/v1/limits/b%2Fc", .query = {}, .body = {}};
  const Service::Route route = service_->route(request.method, request.path);
  ASSERT_FALSE(route.error);
  Response answer;
  service_->run(route, request, [&answer](Response response) { answer = std::move(response); });
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, service_->handle(request).body);
}

TEST_F(ServiceTest, RefusesWhatItWouldIgnore) {
  add_limits();
  EXPECT_EQ(post("/v1/check", R"({"key":"a"})", "cost=2").status, 400);
  EXPECT_EQ(get("/v1/health", "verbose=1").status, 400);
  EXPECT_EQ(post("/v1/log/flush", R"({"all":true})").status, 400);
  EXPECT_EQ(get("/v1/top", "by=allowed&by=denied").status, 400);
  EXPECT_EQ(get("/v1/history/a", "limit=10001").status, 400);
}

// Limit changes and resets left no trace in the server's log.
TEST_F(ServiceTest, SaysWhatWasChanged) {
  const auto audited = [&](std::string_view path, std::string_view body) {
    std::string audit;
    static_cast<void>(service_->handle({.method = Method::kPost, .path = path, .query = {}, .body = body}, &audit));
    return audit;
  };
  EXPECT_EQ(audited("/v1/limits", R"({"key":"a\"\\é","rate":100,"per":60})"),
            R"(limit of "a\x22\x5c\xc3\xa9" set to 100/m)");
  EXPECT_EQ(audited("/v1/limits", R"({"key":"a\"\\é","rate":100,"per":60})"), "") << "nothing was changed";
  EXPECT_EQ(audited("/v1/limits", R"({"key":"a\"\\é","rate":100,"per":"1m","burst":100})"), "");
  EXPECT_EQ(audited("/v1/limits", R"({"key":"a\"\\é","rate":5,"per":"1h","burst":7})"),
            R"(limit of "a\x22\x5c\xc3\xa9" set to 5/h burst 7, from 100/m)");
  EXPECT_EQ(audited("/v1/limits", R"({"key":"a\"\\é","limit":"3/30s sliding_window_log"})"),
            R"(limit of "a\x22\x5c\xc3\xa9" set to 3/30s sliding_window_log, from 5/h burst 7)");
  EXPECT_EQ(audited("/v1/reset", R"({"key":"a\"\\é"})"), R"(usage of "a\x22\x5c\xc3\xa9" reset)");
  EXPECT_EQ(audited("/v1/reset", R"({"key":"nobody"})"), "");
  EXPECT_EQ(
      audited("/v1/apply", R"({"limits":[{"key":"x","limit":"1/s"},{"key":"p*","limit":"2/s","override":true}]})"),
      R"(2 limits applied: "p*" set to 2/s override; "x" set to 1/s)");
  EXPECT_EQ(audited("/v1/apply", R"({"limits":[{"key":"x","limit":"3/s"}],"dry_run":true})"), "");
  EXPECT_EQ(audited("/v1/apply", R"({"limits":[{"key":"x","limit":"1/s"}]})"), "");
  EXPECT_EQ(audited("/v1/reset-prefix", R"({"prefix":"a"})"),
            R"(usage of 1 limits and keys that begin with "a" reset)");
  EXPECT_EQ(audited("/v1/limits", R"({"key":"b","rate":0,"per":60})"), "");
  EXPECT_EQ(audited("/v1/check", R"({"key":"a\"\\é"})"), "");
}

// Bad JSON and a wrong field had the same code, so that a program could not tell its own fault from its user's.
TEST_F(ServiceTest, TellsBadJsonFromAWrongField) {
  add_limits();
  for (const char* body :
       {"", " ", "{", R"({"key":"a"} x)", R"({"key":"\ud800"})", "{\"key\":\"\xff\"}", "[[[[[[[[[]]]]]]]]]"}) {
    for (const char* path : {"/v1/check", "/v1/check-all", "/v1/limits", "/v1/reset"}) {
      const Response response = post(path, body);
      EXPECT_EQ(response.status, 400) << path << body;
      EXPECT_THAT(response.body, HasSubstr(R"("code":"invalid_json")")) << path << body;
    }
  }
  EXPECT_THAT(post("/v1/log/flush", "{").body, HasSubstr(R"("code":"invalid_json")"));
  for (const char* body : {"{}", "[]", "null", R"({"key":1})", R"({"key":"a","key":"a"})", R"({"key":"a","x":1})"}) {
    const Response response = post("/v1/check", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr(R"("code":"invalid_argument")")) << body;
  }
}

TEST_F(ServiceTest, SaysSoWhenTheLimiterIsClosed) {
  add_limits();
  ASSERT_TRUE(limiter_->close().ok());
  EXPECT_EQ(post("/v1/check", R"({"key":"a"})").status, 503);
  EXPECT_EQ(get("/v1/health").status, 503);
}

}  // namespace
}  // namespace flint::api
