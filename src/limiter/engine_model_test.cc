#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/calendar.h"
#include "testing/reference_apply.h"
#include "testing/reference_limiter.h"
#include "testing/seed.h"

/// Random operations, clock moves, restarts and compactions, on the engine and on the reference limiter: every
/// decision, every status and every history must be the same.
namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::EngineFixture;
using testing::must;
using testing::Random;
using testing::ReferenceLimiter;
using testing::to_text;
using testing::to_texts;

constexpr std::array kNames = {"key ", "ip:", "ip:v6:", ""};
constexpr std::array kPatterns = {"ip:*", "ip:v6:*", "*", "key 1*"};
constexpr std::array kTimezones = {"", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"};
constexpr std::array kCosts = {Units{1}, Units{2}, Units{3}};

class Comparison {
 public:
  explicit Comparison(std::uint64_t seed)
      : random_(seed),
        engine_(random_.one_in(2) ? SyncMode::kAlways : SyncMode::kBatch, {.can_map = random_.one_in(2)}),
        model_(engine_.clock) {
    if (random_.one_in(2)) return;
    engine_.clock.name_boot(1);
    engine_.close();
    engine_.open();
    model_.open();
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      if (random_.one_in(16)) compare_all();
    }
    compare_all();
  }

 private:
  void step() {
    switch (random_.pick(31)) {
      case 0:
      case 1:
        return limit();
      case 2:
        return reset();
      case 3:
      case 4:
      case 5:
        return check_all();
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
        return move_clock();
      case 11:
        return maintain();
      case 12:
        return random_.one_in(3) ? restart() : status();
      case 13:
        return random_.one_in(2) ? remove() : limit();
      case 14:
        return random_.one_in(3) ? remove_or_reset_pattern() : limit_pattern();
      case 15:
        return random_.one_in(2) ? dry_run() : apply();
      case 16:
        return check_batch();
      case 17:
      case 18:
        return check_once();
      default:
        return check();
    }
  }

  std::string any_key() { return std::string(random_.any_of(kNames)) + std::to_string(random_.pick(4)); }
  std::string any_pattern() { return random_.any_of(kPatterns); }
  /// As a program carries one: of a few, so that they alternate.
  std::optional<Limit> any_carried() {
    if (!carried_.empty() && random_.one_in(2)) return std::nullopt;
    if (carried_.size() < 5) carried_.push_back(any_limit());
    return carried_[random_.pick(carried_.size())];
  }
  std::optional<std::string> any_known_key() {
    const std::string key = any_key();
    if (model_.holds_for(key)) return key;
    EXPECT_EQ(engine_.try_check(key).code(), Code::kLimitNotFound);
    return std::nullopt;
  }
  Mode any_mode() {
    if (!random_.one_in(3)) return Mode::kEnforce;
    return random_.one_in(2) ? Mode::kShadow : Mode::kBlock;
  }
  Units any_cost(const std::string& key, const std::optional<Limit>& carried = {}) {
    const Units capacity = model_.limit_of(key, carried).lowest_capacity();
    const Units remaining = carried ? random_.pick(4) : model_.status(key).remaining;
    const std::array<Units, 5> costs = {random_.any_of(kCosts), remaining, remaining + 1, capacity,
                                        1 + random_.any_up_to(capacity - 1)};
    // A cost above the capacity is an error where the limit is enforced.
    if (model_.mode_for(key, carried) != Mode::kEnforce && random_.one_in(4)) return std::min(capacity + 1, kMaxUnits);
    return std::clamp<Units>(random_.any_of(costs), 1, capacity);
  }

  Limit any_limit() {
    Limit limit = any_window();
    for (std::uint64_t more = random_.one_in(3) ? 1 + random_.pick(3) : 0; more > 0; --more) {
      const Limit window = any_window();
      const bool is_new = !base::is_same_window(window, limit) &&
                          std::none_of(limit.further.begin(), limit.further.end(),
                                       [&](const Limit& other) { return base::is_same_window(other, window); });
      if (is_new) limit.further.push_back(window);
    }
    return limit;
  }

  Limit any_window() {
    Limit limit{
        .rate = 1 + random_.any_up_to(random_.one_in(6) ? kMaxUnits - 1 : 30),
        .per = std::chrono::milliseconds(1 + random_.any_up_to(random_.one_in(6) ? kMaxPeriod / 1ms - 1 : 5'000)),
        .algorithm = random_.any_of(kAlgorithms),
        .burst = {}};
    if (limit.algorithm == Algorithm::kTokenBucket && random_.one_in(2)) limit.burst = 1 + random_.any_up_to(40);
    if (limit.algorithm == Algorithm::kFixedWindowCounter && random_.one_in(2)) {
      limit.per = Nanos(0);
      limit.align = static_cast<Align>(1 + random_.pick(4));
      limit.timezone = random_.any_of(kTimezones);
    }
    return limit;
  }

  void limit() {
    const std::string key = any_key();
    Limit limit = any_limit();
    if (model_.holds_for(key) && random_.one_in(4)) limit = neighbour_of(model_.limit_of(key));
    if (model_.holds_for(key) && random_.one_in(4)) limit = model_.limit_of(key);
    const LimitOptions options{.mode = any_mode()};
    if (is_the_files(key, engine_.limit(key, limit, options), model_.is_so(key, limit, options))) return;
    model_.limit(key, limit, options);
    compare(key);
  }

  /// The same windows but for some: one more or less, in another order, or with other numbers.
  Limit neighbour_of(const Limit& limit) {
    std::vector<Limit> windows;
    for (std::size_t i = 0; i < limit.window_count(); ++i) {
      windows.push_back(limit.window(i));
      windows.back().further.clear();
    }
    for (Limit& window : windows) {
      if (random_.one_in(2)) window.rate = 1 + random_.any_up_to(30);
      if (!random_.one_in(4) || window.align != Align::kNone) continue;
      window.algorithm = random_.any_of(kAlgorithms);
      window.burst.reset();
    }
    std::rotate(windows.begin(), windows.begin() + static_cast<std::ptrdiff_t>(random_.pick(windows.size())),
                windows.end());
    if (windows.size() > 1 && random_.one_in(3)) windows.pop_back();
    Limit next = windows.front();
    next.further.assign(windows.begin() + 1, windows.end());
    if (validate_limit(next).ok()) return next;
    return limit;
  }

  void limit_pattern() {
    const std::string pattern = any_pattern();
    Limit limit = any_limit();
    if (model_.is_there(pattern) && random_.one_in(4)) limit = model_.limit_of(pattern);
    const LimitOptions options{.overrides = random_.one_in(4), .mode = any_mode()};
    if (is_the_files(pattern, engine_.limit(pattern, limit, options), model_.is_so(pattern, limit, options))) return;
    model_.limit(pattern, limit, options);
    compare_all();
  }

  void remove_or_reset_pattern() {
    const std::string pattern = any_pattern();
    if (!model_.is_there(pattern)) {
      EXPECT_EQ(engine_.remove(pattern).code(), Code::kLimitNotFound);
      EXPECT_EQ(engine_.reset(pattern).code(), Code::kLimitNotFound);
    } else if (random_.one_in(2)) {
      if (!is_the_files(pattern, engine_.remove(pattern), false)) model_.remove(pattern);
    } else {
      must(engine_.reset(pattern));
      model_.reset(pattern);
    }
    compare_all();
  }

  void remove() {
    const std::string key = any_key();
    if (!model_.is_there(key)) {
      EXPECT_EQ(engine_.remove(key).code(), Code::kLimitNotFound);
      return;
    }
    if (!is_the_files(key, engine_.remove(key), false)) model_.remove(key);
  }
  /// Whether a change is refused since only the limits file makes it. `nothing`: it would change nothing.
  bool is_the_files(const std::string& key, const Status& changed, bool nothing) {
    const bool refused = has_file_ && model_.is_from_file(key) && !nothing;
    EXPECT_EQ(changed.code(), refused ? Code::kConflict : Code::kOk) << changed.message();
    return refused;
  }

  std::vector<testing::WantedLimit> any_limits() {
    std::vector<testing::WantedLimit> limits;
    for (std::uint64_t i = random_.pick(8); i > 0; --i) {
      const bool pattern = random_.one_in(3);
      const std::string key = pattern ? any_pattern() : any_key();
      const auto is_it = [&](const testing::WantedLimit& wanted) { return wanted.key == key; };
      if (std::any_of(limits.begin(), limits.end(), is_it)) continue;
      limits.push_back({key, any_limit(), {.overrides = pattern && random_.one_in(4), .mode = any_mode()}});
      if (testing::is_set(model_, key) && random_.one_in(2)) limits.back().limit = model_.limit_of(key);
    }
    return limits;
  }

  void apply() {
    const std::vector<testing::WantedLimit> limits = any_limits();
    std::vector<NamedLimit> named;
    for (const auto& wanted : limits) named.push_back({wanted.key, wanted.limit, wanted.options});
    // A prune without a limits file in use deletes what came from one, too, which the model does not say.
    const bool from_file = random_.one_in(3);
    const bool prune = random_.one_in(3) && (has_file_ || from_file);
    const auto planned = engine_.apply(named, {.prune = prune, .dry_run = true, .from_file = from_file});
    const auto changed = engine_.apply(named, {.prune = prune, .from_file = from_file});
    const auto is_refused = [&](const testing::WantedLimit& wanted) {
      return has_file_ && !from_file && model_.is_from_file(wanted.key) &&
             !model_.is_so(wanted.key, wanted.limit, wanted.options);
    };
    if (std::any_of(limits.begin(), limits.end(), is_refused)) {
      EXPECT_EQ(changed.code(), Code::kConflict);
      EXPECT_EQ(planned.code(), Code::kConflict);
      return compare_all();
    }
    const std::size_t pruned = prune ? testing::limits_to_prune(model_, limits, from_file).size() : 0;
    must(changed.status());
    EXPECT_EQ(planned->changes.size(), changed->changes.size());
    EXPECT_EQ(planned->unchanged, changed->unchanged);
    EXPECT_EQ(changed->changes.size() + changed->unchanged, limits.size() + pruned);
    for (const LimitChange& change : changed->changes) {
      EXPECT_EQ(change.before.has_value(), testing::is_set(model_, change.key));
      if (change.before) {
        EXPECT_EQ(change.before->limit, model_.limit_of(change.key));
      }
    }
    testing::apply(model_, limits, prune, from_file);
    has_file_ = has_file_ || from_file;
    compare_all();
  }

  void dry_run() {
    const std::string key = any_key();
    const std::optional<Limit> carried = any_carried();
    if (!carried && !model_.holds_for(key)) return;
    const Units cost = any_cost(key, carried);
    const auto got = must(engine_->check(key, cost, {.limit = carried, .dry_run = true}));
    EXPECT_EQ(to_text(got.value),
              to_text(model_.check_all({{key, cost, carried ? &*carried : nullptr}}, true).results.front()));
    EXPECT_EQ(got.ticket.seq, 0U);
  }

  void reset() {
    const auto key = any_known_key();
    if (!key) return;
    must(engine_.reset(*key));
    model_.reset(*key);
    compare(*key);
  }

  void check() {
    const std::optional<Limit> carried = any_carried();
    const auto key = carried ? any_key() : any_known_key();
    if (!key) return;
    const Units cost = any_cost(*key, carried);
    EXPECT_EQ(to_text(engine_.check(*key, cost, carried)), to_text(model_.check(*key, cost, carried)));
    if (random_.one_in(4)) compare(*key);
  }

  void check_all() {
    std::vector<std::string> keys;
    std::vector<std::optional<Limit>> carried;
    for (std::uint64_t i = 1 + random_.pick(4); i > 0; --i) {
      const std::optional<Limit> limit = any_carried();
      const auto key = limit ? any_key() : any_known_key();
      if (!key || std::find(keys.begin(), keys.end(), *key) != keys.end()) continue;
      keys.push_back(*key);
      carried.push_back(limit);
    }
    if (keys.empty()) return;
    std::vector<CheckItem> items;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      items.push_back({keys[i], any_cost(keys[i], carried[i]), carried[i] ? &*carried[i] : nullptr});
    }
    const CheckAllResult got = engine_.check_all(items);
    const CheckAllResult wanted = model_.check_all(items);
    EXPECT_EQ(got.allowed, wanted.allowed);
    EXPECT_EQ(got.denied_key, wanted.denied_key);
    EXPECT_EQ(to_texts(got.results), to_texts(wanted.results));
    compare(keys.back());
  }

  /// Keys without a limit among them, and the same key more than once.
  void check_batch() {
    std::vector<std::string> keys;
    std::vector<std::optional<Limit>> carried;
    std::vector<BatchCheck> checks;
    for (std::uint64_t i = random_.pick(6); i > 0; --i) {
      keys.push_back(any_key());
      carried.push_back(any_carried());
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Units cost = carried[i] || model_.holds_for(keys[i]) ? any_cost(keys[i], carried[i]) : 1;
      checks.push_back(
          {.key = keys[i], .cost = cost, .limit = carried[i] ? &*carried[i] : nullptr, .dry_run = random_.one_in(5)});
    }
    const auto results = must(engine_->check_batch(checks)).value;
    ASSERT_EQ(results.size(), checks.size());
    for (std::size_t i = 0; i < checks.size(); ++i) {
      const BatchCheck& one = checks[i];
      if (!carried[i] && !model_.holds_for(keys[i])) {
        EXPECT_EQ(results[i].code(), Code::kLimitNotFound);
        continue;
      }
      const auto wanted = model_.check_all({{one.key, one.cost, one.limit}}, one.dry_run).results.front();
      EXPECT_EQ(to_text(must(results[i])), to_text(wanted));
    }
  }

  /// With one of a few ids: what came with it before, or something else.
  void check_once() {
    const std::string id = "id" + std::to_string(random_.pick(5));
    const auto before = asked_.find(id);
    Asked asked;
    if (before != asked_.end() && random_.one_in(2)) {
      asked = before->second;
    } else {
      asked.is_check = random_.one_in(2);
      for (std::uint64_t i = asked.is_check ? 1 : 1 + random_.pick(3); i > 0; --i) {
        const std::string key = any_key();
        const std::optional<Limit> carried = any_carried();
        const auto is_same = [&](const Asked::One& one) { return one.key == key; };
        if (std::any_of(asked.all.begin(), asked.all.end(), is_same)) continue;
        if (carried || model_.holds_for(key)) asked.all.push_back({key, any_cost(key, carried), carried});
      }
    }
    std::vector<CheckItem> items;
    for (const Asked::One& one : asked.all) items.push_back({one.key, one.cost, one.carried ? &*one.carried : nullptr});
    if (items.empty() || !is_answered(asked)) return;
    asked_[id] = asked;
    const std::optional<CheckAllResult> wanted = model_.check_once(id, items, asked.is_check);
    if (asked.is_check) {
      const auto got = engine_.try_check(items[0].key, items[0].cost, asked.all[0].carried, id);
      ASSERT_EQ(got.ok(), wanted.has_value()) << got.status().message();
      EXPECT_EQ(got.code(), wanted ? Code::kOk : Code::kRequestIdConflict);
      EXPECT_EQ(got.ok() ? to_text(*got) : "", wanted ? to_text(wanted->results.front()) : "");
    } else {
      const auto got = engine_.try_check_all(items, id);
      ASSERT_EQ(got.ok(), wanted.has_value()) << got.status().message();
      EXPECT_EQ(got.code(), wanted ? Code::kOk : Code::kRequestIdConflict);
      if (wanted) {
        EXPECT_EQ(got->denied_key, wanted->denied_key);
        EXPECT_EQ(to_texts(got->results), to_texts(wanted->results));
      }
    }
    compare(asked.all.back().key);
  }

  void status() {
    if (const auto key = any_known_key()) compare(*key);
  }

  void move_clock() {
    const std::array<Nanos, 5> steps = {Nanos(static_cast<std::int64_t>(random_.any_up_to(10'000'000'000))), 1ns, 1ms,
                                        Nanos(static_cast<std::int64_t>(random_.any_up_to(1'000'000'000'000'000))), 1s};
    const Nanos by = random_.any_of(steps);
    if (random_.one_in(6)) {
      const Nanos step = random_.one_in(2) ? by : -by;
      engine_.clock.set_wall(std::clamp(engine_.clock.wall() + step, WallTime{}, kMaxWallTime));
    } else if (engine_.clock.wall() < kMaxWallTime - by) {
      engine_.clock.advance(by);
    }
  }

  void maintain() {
    switch (random_.pick(4)) {
      case 0:
        must(engine_->flush());
        return model_.tick();
      case 1:
        must(engine_->compact());
        compacted_ = true;
        return;
      default:
        must(engine_->tick());
        return model_.tick();
    }
  }

  void restart() {
    switch (random_.pick(3)) {
      case 0:
        engine_.close();
        model_.close();
        break;
      case 1:
        engine_.kill();
        model_.kill();
        break;
      default:
        must(engine_->flush());
        model_.tick();
        engine_.lose_power(testing::Survives::kRandom, random_.pick(1'000));
    }
    if (random_.one_in(3)) engine_.clock.reboot();
    if (random_.one_in(3)) move_clock();
    engine_.open();
    model_.open();
    has_file_ = false;
    compare_all();
  }

  void compare(const std::string& key) {
    if (model_.has(key)) {
      EXPECT_EQ(to_text(engine_.status(key)), to_text(model_.status(key)));
    } else {
      EXPECT_EQ(engine_->status(key).code(), Code::kLimitNotFound);
    }
  }

  void compare_all() {
    EXPECT_EQ(engine_.statuses(), model_.statuses());
    const std::string key = any_key();
    if (!model_.has(key)) return;
    const auto texts = [](const std::vector<Event>& events) {
      std::vector<std::string> all;
      for (const Event& event : events) all.push_back(to_text(event) + " at " + to_text(event.at));
      return all;
    };
    const auto got = texts(must(engine_->history(key, 10'000)));
    auto wanted = texts(model_.events(key));
    if (compacted_ && got.size() < wanted.size()) {
      wanted.erase(wanted.begin(), wanted.end() - static_cast<std::ptrdiff_t>(got.size()));
    }
    EXPECT_EQ(got, wanted);
  }

  Random random_;
  EngineFixture engine_;
  ReferenceLimiter model_;
  bool compacted_ = false;
  /// Since the open.
  bool has_file_ = false;
  std::vector<Limit> carried_;
  struct Asked {
    struct One {
      std::string key;
      Units cost = 1;
      std::optional<Limit> carried;
    };
    bool is_check = true;
    std::vector<One> all;
  };
  /// Whether a limit holds for each key that the cost does not exceed: it may have changed since.
  bool is_answered(const Asked& asked) {
    return std::all_of(asked.all.begin(), asked.all.end(), [&](const Asked::One& one) {
      if (!one.carried && !model_.holds_for(one.key)) return false;
      return model_.mode_for(one.key, one.carried) != Mode::kEnforce ||
             one.cost <= model_.limit_of(one.key, one.carried).lowest_capacity();
    });
  }
  /// The latest request with each id.
  std::map<std::string, Asked> asked_;
};

TEST(EngineModel, EveryDecisionAndStatusIsTheReferenceLimiters) {
  Random seeds(testing::test_seed());
  for (int run = 0; run < 200; ++run) {
    const std::uint64_t seed = seeds.pick(~std::uint64_t{0});
    Comparison(seed).run(200);
    ASSERT_FALSE(HasFailure()) << "run " << run << ", seed " << seed;
  }
}

}  // namespace
}  // namespace flint::limiter
