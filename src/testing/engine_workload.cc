#include "testing/engine_workload.h"

#include <array>

#include "testing/reference_apply.h"

namespace flint::testing {
namespace {

using namespace std::chrono_literals;

// So long that a few configurations fill a segment.
const std::string kUser = "user " + std::string(400, 'u');
const std::string kOrg = "org";
// Ids of requests for one unit of the user.
constexpr std::array kIds = {"id-1", "id-2", "id-3"};
const std::string kRoute = "route " + std::string(450, 'r');

class Builder {
 public:
  void limit(const std::string& key, const Limit& limit, const LimitOptions& options = {}) {
    add([=](EngineFixture& engine) { return engine.limit(key, limit, options); },
        [=](ReferenceLimiter& model) { model.limit(key, limit, options); }, Promise::kItsRecord);
  }
  void check(const std::string& key, Units cost, const std::optional<Limit>& carried = {}) {
    add([=](EngineFixture& engine) { return engine.try_check(key, cost, carried).status(); },
        [=](ReferenceLimiter& model) { static_cast<void>(model.check(key, cost, carried)); }, Promise::kItsRecord);
  }
  void check_once(const std::string& id, const std::string& key) {
    add([=](EngineFixture& engine) { return engine.try_check(key, 1, {}, id).status(); },
        [=](ReferenceLimiter& model) {
          static_cast<void>(model.check_once(id, {{key, 1}}, true));
        },
        Promise::kItsRecord);
  }
  void remove(const std::string& key) {
    add([=](EngineFixture& engine) { return engine.remove(key); },
        [=](ReferenceLimiter& model) {
          if (model.is_there(key)) model.remove(key);
        },
        Promise::kItsRecord);
  }
  void check_all(const std::vector<CheckItem>& items) {
    add([=](EngineFixture& engine) { return engine.try_check_all(items).status(); },
        [=](ReferenceLimiter& model) { static_cast<void>(model.check_all(items)); }, Promise::kItsRecord);
  }
  void reset(const std::string& key) {
    add([=](EngineFixture& engine) { return engine.reset(key); }, [=](ReferenceLimiter& model) { model.reset(key); },
        Promise::kItsRecord);
  }
  /// Many at once: all or none. A part of the group may be in the log alone, which counts for nothing but time.
  void apply(const std::vector<WantedLimit>& limits, bool prune = false, bool from_file = false) {
    add(
        [=](EngineFixture& engine) {
          std::vector<NamedLimit> named;
          named.reserve(limits.size());
          for (const auto& one : limits) named.push_back({one.key, one.limit, one.options});
          return engine.apply(named, {.prune = prune, .from_file = from_file}).status();
        },
        [=](ReferenceLimiter& model) { testing::apply(model, limits, prune, from_file); }, Promise::kItsRecord);
    steps.back().apply_first = {[](ReferenceLimiter& model) { model.note_now(); }};
  }
  void pass(Nanos time) {
    add(
        [=](EngineFixture& engine) {
          engine.clock.advance(time);
          return Status();
        },
        [](ReferenceLimiter&) {}, Promise::kNothing);
  }
  void set_wall_clock_back(Nanos by) {
    add(
        [=](EngineFixture& engine) {
          engine.clock.set_wall(engine.clock.wall() - by);
          return Status();
        },
        [](ReferenceLimiter&) {}, Promise::kNothing);
  }
  void tick() {
    add([](EngineFixture& engine) { return engine->tick(); }, [](ReferenceLimiter& model) { model.log_denials(); },
        Promise::kNothing);
    steps.back().is_upkeep = true;
    steps.back().forgets = true;
    steps.back().apply_first = kFirstRecords;
  }
  void flush() {
    add([](EngineFixture& engine) { return engine->flush(); }, [](ReferenceLimiter& model) { model.log_denials(); },
        Promise::kEverything);
    steps.back().is_upkeep = true;
    steps.back().forgets = true;
    steps.back().apply_first = kFirstRecords;
  }
  void compact(const Builder& meanwhile = {}) {
    add([](EngineFixture& engine) { return engine->compact(); }, [](ReferenceLimiter&) {}, Promise::kNothing);
    steps.back().meanwhile = meanwhile.steps;
  }
  void close() {
    add([](EngineFixture& engine) { return engine->close(); }, [](ReferenceLimiter& model) { model.log_denials(); },
        Promise::kEverything);
    steps.back().apply_first = kFirstRecords;
  }

  std::vector<Step> steps;

 private:
  /// A jump of the wall clock gets a record of its own, and denials have one before what shadows would have denied.
  inline static const std::vector<std::function<void(ReferenceLimiter&)>> kFirstRecords = {
      [](ReferenceLimiter& model) { model.note_jump(); }, [](ReferenceLimiter& model) { model.log_denied(); }};

  void add(std::function<Status(EngineFixture&)> run, std::function<void(ReferenceLimiter&)> apply, Promise promise) {
    steps.push_back({.run = std::move(run), .apply = std::move(apply), .promise = promise});
  }
};

void use(Builder& life, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    life.check(kUser, 1);
    life.check_all({{kUser, 1}, {kOrg, 2}, {kRoute, 1}});
    life.check(kOrg, 3);
    life.check(kRoute, 4);
    life.pass(230ms);
  }
}

/// Keys that come to life, live by several rules, and go: more than an id is used twice.
void use_rules(Builder& life) {
  life.limit("ip:*", token_bucket(3, 1s));
  life.check_once(kIds[0], kUser);
  life.check("ip:1", 2);
  life.check("ip:2", 1, fixed_window(5, 1s));
  life.check("ip:1", 1, sliding_log(4, 1s));
  life.check_all({{"ip:3", 1}, {kOrg, 1}});
  life.limit("ip:*", token_bucket(2, 1s), {.overrides = true});
  life.check("ip:2", 1, fixed_window(5, 1s));
}

/// What is not enforced: changes of the mode, and what is counted at keys and at patterns.
void use_modes(Builder& life) {
  life.limit(kOrg, sliding_log(9, 1s), {.mode = Mode::kShadow});
  life.check_once(kIds[2], kUser);
  life.check(kOrg, 9);
  life.check(kOrg, 3);
  life.limit("ip:*", token_bucket(2, 1s), {.mode = Mode::kBlock});
  life.check("ip:8", 1);
  life.check_all({{kOrg, 2}, {"ip:9", 1}});
  life.tick();
  life.limit("ip:*", token_bucket(2, 1s), {.mode = Mode::kShadow});
  life.check_all({{"ip:9", 3}, {kUser, 1}});
  life.limit(kOrg, sliding_log(9, 1s));
  life.tick();
}

/// Limits of several windows, set, carried and of a pattern, that change among each other and into one window.
void use_windows(Builder& life) {
  const Limit two = several({token_bucket(3, 1s), sliding_log(9, 1min)});
  life.limit("two", two);
  life.check_all({{"two", 2}, {kOrg, 1}});
  life.check("two", 2);
  life.check("carried", 1, two);
  life.check("carried", 2, fixed_window(5, 1s));
  life.limit("w:*", several({fixed_window(4, 2s), sliding_log(5, 1min)}));
  life.check("w:1", 3);
  life.limit("w:*", several({sliding_log(6, 1min), token_bucket(2, 500ms)}));
  life.check("w:1", 1);
  life.limit("two", several({sliding_log(8, 1min), fixed_window(3, 2s), token_bucket(2, 1s)}));
  life.check("two", 1);
  life.limit("two", sliding_log(7, 1min));
  life.check("two", 1);
  life.limit("two", two);
  life.reset("w:1");
  life.check("two", 1);
}

/// Groups that are longer than what is left of a segment, with keys that a pattern brought to life, and a prune.
void apply_many(Builder& life) {
  std::vector<WantedLimit> file = {{"ip:5", fixed_window(4, 1s)}, {"ip:*", token_bucket(6, 1s)}};
  for (int i = 0; i < 5; ++i)
    file.push_back({"file " + std::to_string(i) + std::string(490, 'f'), token_bucket(2, 1s)});
  life.apply(file, false, true);
  life.check("ip:5", 1);
  file.resize(4);
  file[0].limit = fixed_window(5, 2s);
  life.apply(file, true, true);
  life.apply({{kUser, token_bucket(6, 2s)},
              {kOrg, token_bucket(4, 1s), {.mode = Mode::kShadow}},
              {"ip:v6:*", token_bucket(1, 1s), {.overrides = true}}});
  life.check("ip:v6:1", 1);
}

/// Statuses that are in one and not in the other, without what is long in their keys.
std::string differences(const std::vector<std::string>& found, const std::vector<std::string>& wanted) {
  std::string text;
  const auto add = [&](const char* which, const std::vector<std::string>& from, const std::vector<std::string>& other) {
    for (const std::string& status : from) {
      if (std::find(other.begin(), other.end(), status) != other.end()) continue;
      const std::size_t end_of_key = status.find(':');
      text += which + status.substr(0, 5) + status.substr(end_of_key) + "\n";
    }
  };
  add("  found   ", found, wanted);
  add("  instead of ", wanted, found);
  return text;
}

/// Of some keys: all of them, or of one kind.
std::size_t events_in_the_log(EngineFixture& engine, std::optional<EventKind> kind = {}) {
  std::size_t events = 0;
  for (const std::string& key : {kUser, kOrg, kRoute}) {
    if (!engine->status(key).ok()) continue;
    for (const Event& event : must(engine->history(key, 1'000)))
      events += kind.value_or(event.kind) == event.kind ? 1 : 0;
  }
  return events;
}

/// The model's state as a kill leaves it.
ReferenceLimiter logged(ReferenceLimiter model) {
  model.kill();
  return model;
}

}  // namespace

std::vector<Step> crash_workload() {
  Builder life;
  life.limit(kUser, token_bucket(5, 2s, 7));
  life.limit(kOrg, sliding_log(9, 1s));
  life.limit(kRoute, fixed_window(6, 1s));
  use(life, 3);
  life.tick();
  use_rules(life);
  use_windows(life);
  life.limit(kUser, sliding_log(8, 2s));
  life.check(kUser, 8);
  Builder meanwhile;
  meanwhile.limit(kUser, sliding_log(9, 2s));
  use(meanwhile, 2);
  meanwhile.check_once(kIds[1], kUser);
  meanwhile.reset(kRoute);
  meanwhile.limit("ip:*", token_bucket(4, 1s));
  meanwhile.remove("ip:2");
  meanwhile.check("ip:4", 4);
  meanwhile.pass(1s);
  meanwhile.tick();
  meanwhile.check("ip:5", 1);
  meanwhile.apply({{kOrg, sliding_log(10, 1s)}, {"ip:*", token_bucket(5, 1s)}, {"new", fixed_window(2, 1s)}});
  meanwhile.reset("ip:*");
  life.compact(meanwhile);
  life.check("ip:5", 3);
  use(life, 2);
  life.reset(kRoute);
  life.flush();
  for (int i = 0; i < 4; ++i) life.limit("key " + std::to_string(i) + std::string(480, 'k'), token_bucket(3, 1min));
  use(life, 2);
  life.limit(kOrg, token_bucket(4, 1s));
  life.check(kOrg, 4);
  apply_many(life);
  life.pass(300ms);
  life.check(kOrg, 4);
  life.tick();
  life.set_wall_clock_back(5s);
  life.limit("ip:4", fixed_window(3, 1min));
  life.check("ip:6", 1);
  life.remove("ip:*");
  life.check("ip:6", 1, token_bucket(2, 1h));
  life.pass(2s);
  life.tick();
  life.check("ip:7", 1, token_bucket(2, 1h));
  life.compact();
  use(life, 2);
  life.limit("ip:*", token_bucket(2, 1s));
  life.limit(kOrg, sliding_log(9, 1s));
  use_modes(life);
  life.compact();
  use_modes(life);
  life.close();
  return life.steps;
}

CrashRun::CrashRun(EngineFixture& engine, const std::vector<Step>& steps,
                   const std::function<void(const CrashRun&)>& after_step)
    : model_(engine.clock), states_{model_} {
  if (!engine.try_open().ok()) return;
  for (const Step& step : steps) {
    if (!perform(engine, step)) return;
    if (after_step) after_step(*this);
  }
}

bool CrashRun::perform(EngineFixture& engine, const Step& step) {
  const std::size_t events = engine.disk().died() ? 0 : events_in_the_log(engine);
  const std::size_t would_deny = engine.disk().died() ? 0 : events_in_the_log(engine, EventKind::kWouldDeny);
  const storage::Seq last_seq = engine.last_seq();
  const std::size_t born = engine->stats().born_keys;
  bool goes_on = true;
  std::size_t done_meanwhile = 0;
  engine.on_snapshot = [&] {
    while (goes_on && done_meanwhile < step.meanwhile.size()) {
      goes_on = perform(engine, step.meanwhile[done_meanwhile++]);
    }
  };
  const Status status = step.run(engine);
  engine.on_snapshot = nullptr;
  if (!goes_on) return false;
  const bool died = engine.disk().died();
  if (!status.ok() && !died && engine->health().ok()) {
    const bool logged_something = done_meanwhile == 0 && events_in_the_log(engine) != events;
    EXPECT_TRUE(step.is_upkeep || !logged_something) << "refused, and in the log: " << status.message();
    if (logged_something) {
      for (const auto& first : step.apply_first) first(model_);
      const bool would_have_denied = events_in_the_log(engine, EventKind::kWouldDeny) != would_deny;
      if (step.apply_first.empty() || would_have_denied) step.apply(model_);
    }
    // Upkeep forgets keys also where a later part of it fails.
    if (step.forgets && engine->stats().born_keys < born) {
      model_.forget_fresh();
      states_.push_back(logged(model_));
      first_after_kill_ = states_.size() - 1;
    }
    return true;
  }
  for (const auto& first : step.apply_first) {
    first(model_);
    states_.push_back(logged(model_));
  }
  step.apply(model_);
  states_.push_back(logged(model_));
  // Where the store stopped on it, the record may be on disk or not.
  const bool stopped = died || engine->health().code() == Code::kStorageFailed;
  if (step.forgets && (stopped || engine->stats().born_keys < born)) {
    model_.forget_fresh();
    states_.push_back(logged(model_));
  }
  if (!status.ok() || stopped) return false;
  first_after_kill_ = states_.size() - 1;
  const bool waited = engine.options.sync == SyncMode::kAlways && engine.last_seq() > last_seq;
  if (step.promise == Promise::kEverything || (step.promise == Promise::kItsRecord && waited))
    first_after_power_loss_ = states_.size() - 1;
  return true;
}

void expect_recovers(const FaultyDisk& disk, const EngineFixture& crashed, const CrashRun& run, std::size_t first) {
  EngineFixture engine(crashed.options.sync, disk);
  engine.clock = crashed.clock;
  const Status opened = engine.try_open();
  ASSERT_TRUE(opened.ok()) << opened.message();
  EXPECT_FALSE(engine->stats().degraded) << "a crash took a snapshot";

  const std::vector<std::string> found = engine.statuses();
  std::optional<ReferenceLimiter> model;
  for (std::size_t i = first; i < run.states().size() && !model; ++i) {
    ReferenceLimiter candidate = run.states()[i];
    candidate.open(engine.clock);
    if (candidate.statuses() == found) model = candidate;
  }
  if (!model) {
    std::string message;
    for (std::size_t i = first; i < run.states().size(); ++i) {
      ReferenceLimiter candidate = run.states()[i];
      candidate.open(engine.clock);
      message += "state " + std::to_string(i) + ":\n" + differences(found, candidate.statuses());
    }
    FAIL() << "none of the states that may be found:\n" << message;
  }
  for (const std::string& key : {kUser, kOrg, kRoute}) {
    if (!model->has(key)) continue;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(to_text(engine.check(key, 2)), to_text(model->check(key, 2)));
    engine.clock.advance(100ms);
    EXPECT_EQ(to_text(engine.check(key, 2)), to_text(model->check(key, 2)));
  }
  for (const char* id : kIds) {
    if (!model->has(kUser)) break;
    const auto wanted = model->check_once(id, {{kUser, 1}}, true);
    EXPECT_EQ(to_text(must(engine.try_check(kUser, 1, {}, id))), to_text(wanted->results.front())) << id;
  }
  engine.close();
  model->close();
  ASSERT_TRUE(engine.try_open().ok());
  model->open();
  EXPECT_EQ(engine.statuses(), model->statuses());
}

}  // namespace flint::testing
