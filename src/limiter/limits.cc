#include "limiter/limits.h"

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/coding.h"
#include "limiter/ruled_events.h"

namespace flint::limiter {
namespace {

std::string written(const Limit& limit) {
  std::array<std::byte, 1 + kMaxWindows * kMaxLimitBytes> buffer;
  base::Writer out(buffer);
  write_whole_limit(out, limit);
  const auto bytes = out.written();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

/// Limits come from users, as keys do: a seed drawn at start keeps them from being chosen to collide.
struct Rule::Table {
  /// What a rule of a value is known by.
  struct Value {
    const Limit& limit;
    Mode mode;
  };
  struct Hash {
    using is_transparent = void;
    using is_avalanching = void;
    std::uint64_t seed;
    std::size_t operator()(const Value& value) const noexcept {
      std::uint64_t hash = seed + static_cast<std::uint64_t>(value.mode);
      for (std::size_t i = 0; i < value.limit.window_count(); ++i) {
        const Limit& window = value.limit.window(i);
        const std::array<std::uint64_t, 4> parts = {window.rate, static_cast<std::uint64_t>(window.per.count()),
                                                    static_cast<std::uint64_t>(window.algorithm),
                                                    window.burst.value_or(0)};
        hash = XXH3_64bits_withSeed(parts.data(), sizeof(parts), hash);
        if (window.align == Align::kNone) continue;
        hash = XXH3_64bits_withSeed(window.timezone.data(), window.timezone.size(),
                                    hash + static_cast<std::uint64_t>(window.align));
      }
      return hash;
    }
    std::size_t operator()(const Shared* shared) const noexcept { return (*this)({shared->limit, shared->mode}); }
  };
  struct Equal {
    using is_transparent = void;
    static Value value_of(const Shared* shared) noexcept { return {shared->limit, shared->mode}; }
    static Value value_of(const Value& value) noexcept { return value; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const noexcept {
      return value_of(a).mode == value_of(b).mode && value_of(a).limit == value_of(b).limit;
    }
  };

  boost::unordered_flat_set<Shared*, Hash, Equal> rules{0, Hash{std::random_device{}()}};
  boost::unordered_flat_map<storage::Seq, Shared*> versions;
  /// The rule of a value that was asked for last; null if it has ended. Births ask for the same one again and again.
  Shared* latest = nullptr;
};

/// The table goes with its last rule where its Limits is gone already, and not before the rule is out of it. A row of
/// versions that nobody uses goes one by one: each may be the only user of the next, and there may be many.
void Rule::end_shared(Shared* shared) noexcept {
  do {
    const std::shared_ptr<Table> table = std::move(shared->table);
    if (shared->version == 0) {
      table->rules.erase(shared);
      if (table->latest == shared) table->latest = nullptr;
    } else {
      table->versions.erase(shared->version);
    }
    Shared* const next = std::exchange(shared->successor.shared_, nullptr);
    if (next != nullptr) next->predecessor = nullptr;
    delete shared;
    shared = next;
  } while (shared != nullptr && --shared->users == 0);
}

void Rule::be_succeeded_by(const Rule& next, const Succession& succession) noexcept {
  shared_->current = false;
  shared_->successor = next;
  next.shared_->predecessor = shared_;
  shared_->succession = succession;
}

void Rule::end() noexcept { shared_->current = false; }

/// Each version but the first one that is left has the version before it as a user.
std::uint64_t Rule::usages() const noexcept {
  std::uint64_t usages = shared_->users - shared_->holders - 1;
  for (const Shared* version = shared_->predecessor; version != nullptr; version = version->predecessor) {
    usages += version->users - version->holders;
  }
  // The first one that is left has no version before it.
  for (const Shared* version = shared_; version->predecessor != nullptr; version = version->predecessor) --usages;
  return usages;
}

Limits::Limits() : table_(std::make_shared<Rule::Table>()) {}

Rule Limits::rule(const Limit& limit, Mode mode) {
  const Rule::Shared* const latest = table_->latest;
  if (latest != nullptr && latest->mode == mode && latest->limit == limit) return Rule(table_->latest);
  const auto found = table_->rules.find(Rule::Table::Value{limit, mode});
  if (found != table_->rules.end()) return Rule(table_->latest = *found);
  auto shared = std::make_unique<Rule::Shared>(
      Rule::Shared{.limit = limit, .written = written(limit), .table = table_, .mode = mode});
  table_->rules.insert(shared.get());
  return Rule(table_->latest = shared.release());
}

Rule Limits::version(storage::Seq version, const Limit& limit) {
  const auto found = table_->versions.find(version);
  if (found != table_->versions.end()) return found->second->limit == limit ? Rule(found->second) : Rule();
  auto shared = std::make_unique<Rule::Shared>(
      Rule::Shared{.limit = limit, .written = written(limit), .table = table_, .version = version});
  table_->versions.emplace(version, shared.get());
  return Rule(shared.release());
}

Rule Limits::find_version(storage::Seq version) const {
  const auto found = table_->versions.find(version);
  return found == table_->versions.end() ? Rule() : Rule(found->second);
}

std::set<std::string> Limits::timezones() const {
  std::set<std::string> timezones;
  const auto add = [&](const Limit& limit) {
    for (std::size_t i = 0; i < limit.window_count(); ++i) {
      if (!limit.window(i).timezone.empty()) timezones.insert(limit.window(i).timezone);
    }
  };
  for (const Rule::Shared* rule : table_->rules) add(rule->limit);
  for (const auto& [version, rule] : table_->versions) add(rule->limit);
  return timezones;
}

std::size_t Limits::size() const noexcept { return table_->rules.size() + table_->versions.size(); }

}  // namespace flint::limiter
