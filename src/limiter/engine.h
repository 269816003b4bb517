#pragma once

#include <array>
#include <atomic>
#include <boost/container/small_vector.hpp>
#include <boost/container/static_vector.hpp>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "flint/limiter.h"
#include "io/file_system.h"
#include "io/fork_guard.h"
#include "limiter/key_order.h"
#include "limiter/limiter_clock.h"
#include "limiter/limiter_state.h"
#include "limiter/pending_denials.h"
#include "limiter/rule_tallies.h"
#include "limiter/shown.h"
#include "storage/store.h"

namespace flint::limiter {

/// The limiter over any directory: flint::Limiter (whose contracts hold here) opens one over the machine's files, tests
/// over files in memory.
///
/// One check is one critical section under the engine's mutex, which the store borrows: look up, read the clock,
/// decide, append the record, apply. What waits for storage waits outside it.
class Engine {
 public:
  /// `tuning` gives what Options does not: segment sizes, and whether a background thread runs.
  static Result<std::unique_ptr<Engine>> open(std::unique_ptr<io::Directory> directory, const Options& options,
                                              const storage::StoreOptions& tuning = {});
  /// In a forked child nothing is touched.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Result<Ticket> limit(std::string_view key, const Limit& limit, const LimitOptions& options = {});
  Result<Deferred<LimitChanges>> apply(std::span<const NamedLimit> limits, const ApplyOptions& options = {});
  Result<Deferred<Decision>> check(std::string_view key, Units cost);
  Result<Deferred<Decision>> check(std::string_view key, Units cost, const CheckOptions& options);
  Result<Deferred<CheckAllResult>> check_all(std::span<const CheckItem> items, const CheckAllOptions& options = {});
  Result<Deferred<std::vector<Result<Decision>>>> check_batch(std::span<const BatchCheck> checks);
  Result<Deferred<Decision>> charge(std::string_view key, Units cost, const ChargeOptions& options);
  Result<Deferred<ReserveResult>> reserve(std::span<const CheckItem> items, const ReserveOptions& options);
  Result<Deferred<Settlement>> commit(std::string_view reservation, std::span<const ActualCost> costs);
  Result<Deferred<Settlement>> cancel(std::string_view reservation);
  Result<Deferred<ReservationStatus>> renew(std::string_view reservation, Nanos ttl);
  [[nodiscard]] Result<ReservationStatus> reservation(std::string_view reservation);
  Result<Ticket> reset(std::string_view key);
  Result<Ticket> remove(std::string_view key);
  Result<Deferred<std::uint64_t>> reset_prefix(std::string_view prefix);
  Result<Deferred<std::uint64_t>> remove_prefix(std::string_view prefix);

  Status wait(Ticket ticket);
  void when_durable(Ticket ticket, std::function<void(const Status&)> done);
  [[nodiscard]] bool is_durable(Ticket ticket) const noexcept;

  [[nodiscard]] Result<LimitStatus> status(std::string_view key);
  [[nodiscard]] std::optional<Limit> limit_of(std::string_view key);
  [[nodiscard]] Result<std::vector<LimitStatus>> list(const ListQuery& query);
  [[nodiscard]] Result<std::vector<flint::Event>> history(std::string_view key, std::size_t limit);
  [[nodiscard]] Result<std::vector<LimitStatus>> top(TopBy by, std::size_t limit);

  /// Makes `keys` all that the limiter holds, with their rules, and with no record of how they came to be so; their
  /// times are not after now.
  /// Nothing else was called yet. kInvalidArgument when there are keys already, unless an adoption before this one was
  /// cut short, which `tuning.accept_unfinished_import` let open() see: its keys are replaced. On any other failure,
  /// and after a crash, the directory holds no keys, or does not open without that; once this returns Ok, all of them
  /// are durable.
  Status adopt(Keys keys);

  Status compact();
  Status flush();
  [[nodiscard]] DoctorReport doctor();
  [[nodiscard]] Stats stats();
  [[nodiscard]] Status health() const;
  /// One turn of the background work, for tests that run without the thread.
  Status tick();
  Status close();

 private:
  Engine(std::unique_ptr<io::Directory> directory, const Options& options);
  /// Not analysed: it lends the state to the store without the mutex. Nobody else knows of the engine during recovery,
  /// and from then on the store calls the state as Owner says, begin_snapshot() and on_tick() with the mutex held.
  Status open_store(const storage::StoreOptions& tuning) FLINT_NO_THREAD_SAFETY_ANALYSIS;
  void start_clock();

  /// False in a forked child. Nothing there may reach the mutexes or the store, whose threads do not exist in it.
  [[nodiscard]] bool is_ours() const noexcept { return io::fork_generation() == fork_generation_; }
  /// Ok if this Limiter is open: not closed, not in a forked child.
  [[nodiscard]] Status check_open() const;
  /// Ok if a denial may be counted, which no append refuses.
  [[nodiscard]] Status check_writable() const;
  [[nodiscard]] Ticket ticket(storage::Seq seq, const Moment& at) noexcept FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<storage::Seq> append(const EventWriter& event, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Without a record of the clock before it.
  [[nodiscard]] Result<storage::Seq> append_next(const EventWriter& event, const Moment& at) FLINT_REQUIRES(mutex_);
  /// A change of one limit or pattern, from its decision to its record.
  struct LimitStep {
    /// Null for a new key that is not in the table yet.
    KeyEntry* entry = nullptr;
    /// Of LimitPlan::result.
    std::size_t change = 0;
    bool is_new = false;
    bool removes = false;
    bool from_file = false;
    /// Of a pattern.
    bool overrides = false;
    Mode mode = Mode::kEnforce;
    bool resets = false;
    /// Unless it removes.
    Limit limit = {};
    /// Of a key whose limit changes: its usage under the new one.
    algorithm::State next = {};

    [[nodiscard]] bool is_of_pattern() const noexcept { return entry->kind == KeyKind::kPattern; }
    /// Of a key: its limit stays, with what is in use of it.
    [[nodiscard]] bool keeps_limit() const noexcept {
      return !is_new && !removes && entry->kind == KeyKind::kSet && entry->limit() == limit;
    }
    [[nodiscard]] EventType type() const noexcept;
  };
  /// Whether the entry, which is not new, has this limit already.
  [[nodiscard]] static bool is_so(const KeyEntry& entry, const LimitStep& step) noexcept;
  /// Decides what becomes of the usage of a key.
  static void decide(LimitStep& step, const Moment& at);
  void write(const LimitStep& step, const Moment& at, EventWriter& event) FLINT_REQUIRES(mutex_);
  /// The record `seq` tells of the step. An entry that is removed is gone.
  void apply(LimitStep& step, storage::Seq seq, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> log_and_apply(LimitStep& step, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Ok unless only the limits file changes the limit of this entry.
  [[nodiscard]] Status check_changeable(const KeyEntry& entry) const FLINT_REQUIRES(mutex_);
  /// Nothing for a key without a limit of its own.
  [[nodiscard]] static std::optional<LimitChange::Setting> setting_of(const KeyEntry& entry);
  /// What apply() would do.
  struct LimitPlan {
    std::vector<LimitStep> steps = {};
    /// What each step does.
    LimitChanges result = {};
  };
  /// New names have no entry yet. `others` may be deleted.
  [[nodiscard]] Result<LimitPlan> plan(std::span<const NamedLimit> limits, const ApplyOptions& options,
                                       const std::vector<std::string>& others) FLINT_REQUIRES(mutex_);
  void plan_removals(std::span<const NamedLimit> limits, const ApplyOptions& options,
                     const std::vector<std::string>& others, LimitPlan& plan) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> carry_out(LimitPlan& plan, const Moment& at) FLINT_REQUIRES(mutex_);
  /// One record for each step, which count together or not at all.
  [[nodiscard]] Result<Ticket> log_and_apply(std::span<LimitStep> steps, const Moment& at) FLINT_REQUIRES(mutex_);
  /// The names of all limits and patterns.
  [[nodiscard]] std::vector<std::string> names_of_limits();
  /// How a key is decided that has no limit of its own and more than one usage, or none yet.
  struct Ruling {
    /// Its usage under the rule that holds; null if it has none.
    const Usage* usage = nullptr;
    /// Else the one that an allowed check would give it.
    Usage draft = {};
    bool keys_full = false;
  };
  using Rulings = boost::container::small_vector<Ruling, 1>;
  /// One item of a check: found (or not), then decided.
  struct Item {
    std::string_view key;
    /// Null: the key is new, or no limit holds for it.
    KeyEntry* entry = nullptr;
    Units cost = 0;
    /// What decides: the rule's limit and the state of its usage. Null: no limit holds.
    const Limit* limit = nullptr;
    const algorithm::State* state = nullptr;
    /// Null: what decides is the one usage that the key has.
    Ruling* ruling = nullptr;
    /// Where the decision is counted. Null: no limit holds.
    RuleTally* tally = nullptr;
    Mode mode = Mode::kEnforce;
    /// It is allowed although it does not fit, and consumes nothing.
    bool would_deny = false;
    algorithm::Outcome outcome = {};

    [[nodiscard]] bool is_beyond_most_keys() const noexcept { return ruling != nullptr && ruling->keys_full; }
  };

  [[nodiscard]] Item find_item(std::string_view key, Units cost) FLINT_REQUIRES(mutex_);
  /// Of a key without a limit of its own: finds the rule that holds, and the key's usage under it or a draft of one.
  /// `rulings` has room.
  void find_rule(Item& item, const Limit* carried, Rulings& rulings, const Moment& at) FLINT_REQUIRES(mutex_);
  /// As find_rule(), where the rule is that by which the key was decided before, as nearly always. Else false.
  [[nodiscard]] bool find_same_rule(Item& item, const Limit* carried) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Rule rule_for(const Item& item, const Limit* carried) FLINT_REQUIRES(mutex_);
  /// Of a pattern.
  RuleTally& tally_of(KeyEntry& pattern) FLINT_REQUIRES(mutex_);
  [[nodiscard]] bool has_room(std::size_t keys) const FLINT_REQUIRES(mutex_) {
    return state_.keys.born() + keys <= options_.max_keys && state_.keys.size() + keys <= kMaxKeys;
  }
  /// Whether it looked.
  bool look_for_room(std::size_t keys, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Says of the new keys among the items that there is no room for them, if there is none.
  void mark_full(std::span<Item> items) FLINT_REQUIRES(mutex_);
  void pay_for_births() FLINT_REQUIRES(mutex_);
  [[nodiscard]] algorithm::Outcome beyond_most_keys(const Item& item) FLINT_REQUIRES(mutex_);
  /// Of a limit that is not enforced.
  void decide_otherwise(Item& item, const Moment& at) FLINT_REQUIRES(mutex_);
  /// What is left, where nothing is consumed.
  [[nodiscard]] algorithm::Outcome left(const Item& item, bool allowed, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Where nothing was consumed: the items before the one that denied, which is returned, say what remains now.
  const Item& unconsumed(std::span<Item> items, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] static bool could_pass(const Item& item) noexcept;
  [[nodiscard]] static Status why_not(const Item& item);
  [[nodiscard]] static Status check_distinct(std::span<const Item> items);
  /// Decides the items in their order, up to the first one that denies. The items after that one are not decided:
  /// theirs is the verdict of a denial without a reason. True if all are allowed.
  [[nodiscard]] bool decide(std::span<Item> items, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Logs and applies what was decided.
  /// `once`, here and below: a request that came with an id; null for one without.
  [[nodiscard]] Result<Ticket> settle(std::span<Item> items, bool plain, bool allowed, const Moment& at,
                                      RememberedRequest* once) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Deferred<Decision>> check_by_rules(Item& item, const Limit* carried, bool dry_run,
                                                          const Moment& at, RememberedRequest* once)
      FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Deferred<Decision>> check_one(const BatchCheck& one, RememberedRequest* once)
      FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> grant(std::span<const Item> items, const Moment& at, RememberedRequest* once)
      FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> deny(std::span<Item> items, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Where items did not fit that are allowed all the same: consumes for the others.
  [[nodiscard]] Result<Ticket> grant_what_fits(std::span<const Item> items, bool plain, const Moment& at,
                                               RememberedRequest* once) FLINT_REQUIRES(mutex_);
  /// Where it is counted that an item consumed nothing: its key, else its pattern; null if there is neither.
  [[nodiscard]] KeyEntry* counted_at(const Item& item) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Decision decision(const Item& item, const Moment& at) const;

  /// As grant(), where a key comes to life or has several usages.
  [[nodiscard]] Result<Ticket> grant_by_rules(std::span<Item> items, const Moment& at, RememberedRequest* once)
      FLINT_REQUIRES(mutex_);

  /// What was asked: what has the same id must be the same request.
  enum class Asked : char { kCheck = 'c', kCheckAll = 'a', kCharge = 'u', kReserve = 'r' };
  /// What will be remembered of a request, but for its verdicts and its record. Says what is wrong with its id.
  [[nodiscard]] static Result<RememberedRequest> named(std::string_view request_id, bool dry_run, Asked asked,
                                                       std::span<const CheckItem> items);
  [[nodiscard]] static Result<RememberedRequest> named(const BatchCheck& one);
  /// Of each check; none at all if no check has an id.
  [[nodiscard]] static std::vector<Result<RememberedRequest>> named(std::span<const BatchCheck> checks);
  /// The same request as it was charged first; null if it is not remembered.
  [[nodiscard]] Result<const RememberedRequest*> first_of(const RememberedRequest& once, const Moment& at)
      FLINT_REQUIRES(mutex_);
  [[nodiscard]] static Decision first_decision(const RememberedRequest& first, std::size_t item, std::string_view key,
                                               Units cost);
  [[nodiscard]] static Deferred<CheckAllResult> first_result(const RememberedRequest& first,
                                                             std::span<const CheckItem> items, Ticket ticket);
  static void note_verdicts(RememberedRequest& once, std::span<const Item> items);
  void remember(RememberedRequest& once, storage::Seq seq, const Moment& at) FLINT_REQUIRES(mutex_);
  /// What a granted item makes of a key's usages, the deciding one first.
  struct Charge {
    Rule rule;
    /// Of the key; null for a draft.
    const Usage* usage = nullptr;
    Units cost = 0;
    algorithm::Outcome outcome;
  };
  using Charges = boost::container::static_vector<Charge, kMaxUsages>;
  /// Adds them to `charges`, which is empty. A draft becomes what is in use after the charge.
  void find_charges(const Item& item, const Moment& at, Charges& charges) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Charges charges_of(const Item& item, const Moment& at) FLINT_REQUIRES(mutex_) {
    Charges charges;
    find_charges(item, at, charges);
    return charges;
  }
  static void apply(KeyEntry& entry, Item& item, Charges& charges, const Moment& at);

  // What a plain check has inline, for the other files.
  [[nodiscard]] Item item_of(std::string_view key, Units cost) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Decision told(const Item& item, const Moment& at) const;
  [[nodiscard]] Result<Ticket> refuse(std::span<Item> items, const Moment& at) FLINT_REQUIRES(mutex_);

  // Charges and reservations: engine_reservations.cc and engine_settlements.cc.

  /// First thing of every operation that goes by usage: what has expired by `at` is given back, if it is to be.
  void expire(const Moment& at) FLINT_REQUIRES(mutex_) {
    if (at.time >= state_.holds.next_expiry()) [[unlikely]]
      expire_due(at);
  }
  void expire_due(const Moment& at) FLINT_REQUIRES(mutex_);
  /// True if it is logged; else the charge stays, and it is tried again.
  [[nodiscard]] bool give_back_expired(Reservation& reservation, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Finds the key of a charge, or the rule that brings it to life.
  void find_by_rules(Item& item, const Limit* carried, Rulings& rulings, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] static Status check_charge(const Item& item);
  [[nodiscard]] static Status check_reservable(const Item& item);
  /// As decide(), of items that may take slots, for `ttl`.
  [[nodiscard]] bool decide_held(std::span<Item> items, Nanos ttl, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] static algorithm::Outcome decide_slots(const Item& item, Nanos ttl, const Moment& at);
  /// How many slots are left, and when the last one that is held now ends.
  [[nodiscard]] static algorithm::Outcome slots_left(const Item& item, const Moment& at);
  /// The record of what an item charges; a new key is in the table from here on, and in `born`.
  [[nodiscard]] RuledItem recorded(Item& item, const Charges& charges, std::vector<KeyEntry*>& born)
      FLINT_REQUIRES(mutex_);
  /// The record `seq` says this of the item.
  void apply_recorded(Item& item, const RuledItem& recorded, const Moment& at, storage::Seq seq,
                      const LimiterState::Hold* hold) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> log_charge(Item& item, const Moment& at, RememberedRequest* once) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> log_reservation(std::span<Item> items, const ReserveOptions& options, const Moment& at,
                                               RememberedRequest* once, ReservationId& id) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Deferred<ReserveResult>> first_reservation(const RememberedRequest& first,
                                                                  std::span<const CheckItem> items, const Moment& at)
      FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Reservation*> find_reservation(std::string_view id, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Deferred<Settlement>> settle(std::string_view id, SettledAs as,
                                                    std::span<const ActualCost> costs);
  /// What each item cost in the end.
  [[nodiscard]] Result<std::vector<Units>> actual_costs(const Reservation& reservation, SettledAs as,
                                                        std::span<const ActualCost> costs) FLINT_REQUIRES(mutex_);
  /// The key that an item was charged to, if it is still the same one; null if it is gone.
  [[nodiscard]] KeyEntry* charged_key(const Reservation::Item& item) FLINT_REQUIRES(mutex_);
  /// What becomes of one item that costs so many units in the end. Nothing changes yet.
  [[nodiscard]] SettledItem settled(const Reservation& reservation, const Reservation::Item& item, Units cost,
                                    const Moment& at) FLINT_REQUIRES(mutex_);
  void give_back(KeyEntry& entry, const Held::Item& held, Units less, const Moment& at, SettledItem& item)
      FLINT_REQUIRES(mutex_);
  void charge_extra(KeyEntry& entry, Units extra, const Moment& at, SettledItem& item) FLINT_REQUIRES(mutex_);
  /// Logs and applies what was settled; the verdicts are noted on the way.
  [[nodiscard]] Result<storage::Seq> log_settled(SettledEvent& event, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] static Settlement settlement(const Reservation& reservation);
  [[nodiscard]] static ReservationStatus describe(const Reservation& reservation, const Moment& at);

  /// Forgets the keys among some of the next ones that are as good as new; at most so many, in one record.
  void forget_some(std::size_t keys_looked_at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] ForgottenKey forgotten(KeyEntry& entry) const FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> remove(KeyEntry& entry, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] Result<Ticket> reset(KeyEntry& entry, const Moment& at) FLINT_REQUIRES(mutex_);
  /// Takes the entry out of everything that knows it.
  void drop(KeyEntry& entry) FLINT_REQUIRES(mutex_);
  void note_name(const KeyEntry& entry, bool is_there) FLINT_REQUIRES(mutex_);
  /// Calls `change` with the entry of each name that begins with `prefix`, some at a time.
  template <typename Change>
  [[nodiscard]] Result<Deferred<std::uint64_t>> for_prefix(std::string_view prefix, const Change& change);

  /// The record `seq` tells of the key, with the denials that were pending.
  void note_record(KeyEntry& entry, storage::Seq seq) FLINT_REQUIRES(mutex_);
  void add_rules(Stats& stats) FLINT_REQUIRES(mutex_);
  Status tick_state() FLINT_REQUIRES(mutex_);
  Status log_denials() FLINT_REQUIRES(mutex_);
  [[nodiscard]] Status log_would_deny(std::span<const PendingDenials::Item> group) FLINT_REQUIRES(mutex_);
  void log_jump() FLINT_REQUIRES(mutex_);
  void log_clock(const Moment& at) FLINT_REQUIRES(mutex_);
  void map_files(DoctorReport& report);
  void report_slow_disk(DoctorReport& report) FLINT_REQUIRES(mutex_);
  void report_unknown_timezones(DoctorReport& report) FLINT_REQUIRES(mutex_);
  /// Of a pattern, without the sums of its keys.
  [[nodiscard]] LimitStatus describe(KeyEntry& entry, const Moment& at) FLINT_REQUIRES(mutex_);
  void describe_born(KeyEntry& entry, LimitStatus& status, const Moment& at) FLINT_REQUIRES(mutex_);
  [[nodiscard]] static LimitStatus describe_unborn(std::string_view key, const KeyEntry& pattern, const Moment& at);
  /// Adds the sums of its keys.
  Status sum_up(LimitStatus& pattern);
  /// Appends the status of each that is still there to `statuses`, some at a time, releasing the mutex in between.
  Status describe(std::span<const std::string> names, std::vector<LimitStatus>& statuses);
  /// The names of limits and patterns, or of born keys, in byte order.
  [[nodiscard]] std::vector<std::string> in_order(bool born, std::string_view prefix, std::string_view from,
                                                  bool inclusive, std::size_t most);
  [[nodiscard]] std::vector<std::string> names_in_order(const ListQuery& query, std::string_view from, bool inclusive,
                                                        std::size_t most);
  void bring_up_to_date(KeyOrder& order, bool born) FLINT_REQUIRES(order_mutex_);
  /// Calls `visit` for every key, with its pending denials, some at a time, releasing the mutex in between.
  template <typename Visit>
  Status for_each_key(const Visit& visit);
  class History;

  std::unique_ptr<io::Directory> directory_;
  Options options_;
  const std::uint64_t fork_generation_;
  /// Lent to the store, which appends under it.
  base::Mutex mutex_;
  LimiterState state_ FLINT_GUARDED_BY(mutex_);
  std::unique_ptr<storage::Store> store_;
  /// The store's.
  storage::UnsyncedAge* unsynced_ FLINT_PT_GUARDED_BY(mutex_) = nullptr;
  std::optional<LimiterClock> clock_ FLINT_GUARDED_BY(mutex_);
  std::atomic<bool> closed_ = false;
  /// A limits file is in use: who has not read it does not change what came from it.
  bool has_limits_file_ FLINT_GUARDED_BY(mutex_) = false;

  /// What the call in progress decides of limits with several windows.
  algorithm::WindowSpace windows_ FLINT_GUARDED_BY(mutex_);
  PendingDenials pending_ FLINT_GUARDED_BY(mutex_);
  RuleTallies tallies_ FLINT_GUARDED_BY(mutex_);
  std::uint64_t keys_full_ FLINT_GUARDED_BY(mutex_) = 0;
  std::uint64_t reservations_expired_ FLINT_GUARDED_BY(mutex_) = 0;
  std::uint64_t reservations_full_ FLINT_GUARDED_BY(mutex_) = 0;
  /// Random bits of the operating system for the names of reservations, which nobody is to guess; some at a time.
  [[nodiscard]] std::uint64_t next_secret() FLINT_REQUIRES(mutex_);
  std::array<std::uint64_t, 32> secrets_ FLINT_GUARDED_BY(mutex_) = {};
  std::size_t secrets_left_ FLINT_GUARDED_BY(mutex_) = 0;
  /// Where forget_some() goes on.
  KeyId forget_next_ FLINT_GUARDED_BY(mutex_) = 0;
  /// Births since forget_some() last looked.
  std::uint32_t births_ FLINT_GUARDED_BY(mutex_) = 0;
  /// When a full table was last looked through for keys to forget.
  Time looked_for_room_ FLINT_GUARDED_BY(mutex_){};
  NameChanges limit_names_ FLINT_GUARDED_BY(mutex_);
  NameChanges born_names_ FLINT_GUARDED_BY(mutex_);

  /// Taken before mutex_.
  base::Mutex order_mutex_;
  /// Of limits and patterns, and of born keys.
  KeyOrder limit_order_ FLINT_GUARDED_BY(order_mutex_);
  KeyOrder born_order_ FLINT_GUARDED_BY(order_mutex_);
};

/// What every call says in a forked child.
[[nodiscard]] Status belongs_to_parent();
/// Why a key that is not in the table cannot be used: it is no key at all, or nobody gave it a limit.
[[nodiscard]] Status no_limit(std::string_view key);
/// Whether a pattern with these options holds also where a check carries a limit.
[[nodiscard]] bool overrides(const LimitOptions& options) noexcept;
/// A new name has no `*` but at its end.
[[nodiscard]] bool has_misplaced_star(std::string_view key) noexcept;
[[nodiscard]] Status misplaced_star(std::string_view key);
/// Ok if `ttl` is from kMinReservationTtl to kMaxReservationTtl, in whole milliseconds.
[[nodiscard]] Status validate_ttl(Nanos ttl);
/// A burst that says what is so anyway is left out, so that one rule has one form.
[[nodiscard]] Limit normalized(Limit limit) noexcept;

}  // namespace flint::limiter
