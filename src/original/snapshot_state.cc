#include "original/snapshot_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/arithmetic.h"
#include "limiter/event_codec.h"
#include "original/object_reader.h"

namespace flint::original {
namespace {

constexpr std::uint64_t kMost = limiter::kMaxCounted;

Status wrong(const JsonPath& path, std::string_view what) {
  return {Code::kInvalidArgument, fmt::format("{} {}", shown_path(path), what)};
}

Status unknown(const JsonPath& path) {
  return wrong(path, "is unknown to this Flint: did a newer version of the original write it?");
}

Status read_integer(const JsonPath& path, const Scalar& scalar, std::uint64_t least, std::uint64_t most,
                    std::uint64_t& value) {
  const char* const end = scalar.text.data() + scalar.text.size();
  const auto read = std::from_chars(scalar.text.data(), end, value);
  const bool whole = scalar.kind == Scalar::Kind::kNumber && read.ec == std::errc() && read.ptr == end;
  if (whole && value >= least && value <= most) return {};
  return wrong(path, fmt::format("must be an integer from {} to {}.", least, most));
}

Status read_wall(const JsonPath& path, const Scalar& scalar, WallTime& value) {
  const Result<WallTime> time =
      read_time(scalar.kind == Scalar::Kind::kString ? scalar.text : std::string_view(), shown_path(path));
  if (time.ok()) value = *time;
  return time.status();
}

Status read_optional_wall(const JsonPath& path, const Scalar& scalar, limiter::MaybeTime& value) {
  if (scalar.kind == Scalar::Kind::kNull) return {};
  WallTime time;
  Status read = read_wall(path, scalar, time);
  if (read.ok()) value = time;
  return read;
}

/// The original counts tokens in a double, Flint in whole units and a fraction in 1/per. The conversion rounds down, so
/// that an import never grants a part of a token that was not there.
algorithm::TokenBucket bucket_with(double tokens, const Limit& limit, Time at) {
  const auto capacity = static_cast<double>(limit.capacity());  // up to 2^40: exact
  const double whole = std::floor(tokens);
  if (whole >= capacity) return algorithm::TokenBucket::fresh(at);
  constexpr int kBits = 53;
  const auto part = static_cast<std::uint64_t>(std::ldexp(tokens - whole, kBits));
  const base::Uint128 fraction = base::multiply(part, static_cast<std::uint64_t>(limit.per.count())) >> kBits;
  return {at, limit.capacity() - static_cast<Units>(whole), static_cast<std::uint64_t>(fraction)};
}

}  // namespace

Status SnapshotState::begin(const JsonPath& path, bool is_object) {
  if (path.front() != "state") return path.size() == 1 ? unknown(path) : wrong(path, "must not be there.");
  if (path.size() == 1) {
    if (has_state_) return wrong(path, "appears more than once.");
    has_state_ = true;
    return is_object ? Status() : wrong(path, "must be an object.");
  }
  if (path[1] == "history" && path.size() > 2) return {};
  if (path.size() == 2) return begin_part(path, is_object);
  return path.size() == 3 ? begin_key(path, is_object) : wrong(path, "must not be an object or an array.");
}

Status SnapshotState::begin_part(const JsonPath& path, bool is_object) {
  constexpr std::array<std::string_view, 6> kParts{"configs",         "buckets", "fixed_windows",
                                                   "sliding_windows", "metrics", "history"};
  if (std::find(kParts.begin(), kParts.end(), path[1]) == kParts.end()) return unknown(path);
  if (std::find(parts_.begin(), parts_.end(), path[1]) != parts_.end()) return wrong(path, "appears more than once.");
  parts_.push_back(path[1]);
  if (is_object == (path[1] != "history")) return {};
  return wrong(path, is_object ? "must be an array." : "must be an object.");
}

Status SnapshotState::begin_key(const JsonPath& path, bool is_object) {
  const std::string& part = path[1];
  Key& key = keys_[path[2]];
  bool& has = part == "configs"           ? key.has_config
              : part == "buckets"         ? key.has_bucket
              : part == "fixed_windows"   ? key.has_fixed_window
              : part == "sliding_windows" ? key.has_sliding_window
                                          : key.has_metrics;
  if (has) return wrong(path, "appears more than once.");
  has = true;
  key.members = 0;
  current_ = &key;
  if (is_object == (part != "sliding_windows")) return {};
  return wrong(path, is_object ? "must be an array." : "must be an object.");
}

Status SnapshotState::value(const JsonPath& path, const Scalar& scalar) {
  if (path.size() == 1) return root_value(path[0], scalar);
  if (path.size() > 2 && path[1] == "history") return {};
  if (path.size() < 4) return wrong(path, path.size() == 2 ? "must be an object." : "must be an object or an array.");
  const std::string& part = path[1];
  Key& key = *current_;
  if (part == "configs") return config_value(key, path, scalar);
  if (part == "buckets") return bucket_value(key, path, scalar);
  if (part == "fixed_windows") return fixed_window_value(key, path, scalar);
  if (part == "sliding_windows") return sliding_window_value(key, path, scalar);
  return metrics_value(key, path, scalar);
}

Status SnapshotState::root_value(const std::string& name, const Scalar& scalar) {
  std::optional<std::uint64_t>* number = name == "format_version" ? &version_
                                         : name == "aof_offset"   ? &offset_
                                                                  : nullptr;
  if (name == "created_at") {
    WallTime time;
    return read_wall({name}, scalar, time);
  }
  if (number == nullptr) return name == "state" ? wrong({name}, "must be an object.") : unknown({name});
  if (*number) return wrong({name}, "appears more than once.");
  if (Status read = read_integer({name}, scalar, 0, kMost, number->emplace()); !read.ok()) return read;
  if (version_.value_or(1) == 1) return {};
  return wrong({name}, fmt::format("is {}, and this Flint knows version 1 only.", *version_));
}

namespace {

/// Notes that a member was told; false when it was before.
bool first_time(std::uint32_t& members, unsigned bit) {
  const bool first = (members >> bit & 1U) == 0;
  members |= 1U << bit;
  return first;
}

/// Which of `names` it is; none: their number.
template <std::size_t N>
unsigned index_in(const std::array<std::string_view, N>& names, std::string_view name) {
  return static_cast<unsigned>(std::find(names.begin(), names.end(), name) - names.begin());
}

}  // namespace

Status SnapshotState::config_value(Key& key, const JsonPath& path, const Scalar& scalar) {
  constexpr std::array<std::string_view, 5> kNames{"key", "rate", "per_millis", "per_seconds", "algorithm"};
  constexpr std::uint64_t kMostMillis = kMaxPeriod / std::chrono::milliseconds(1);
  const unsigned which = index_in(kNames, path[3]);
  if (which == kNames.size()) return unknown(path);
  if (!first_time(key.members, which)) return wrong(path, "appears more than once.");
  std::uint64_t number = 0;
  switch (which) {
    case 0:
      return scalar.kind == Scalar::Kind::kString && scalar.text == path[2] ? Status()
                                                                            : wrong(path, "must be the same key.");
    case 1:
      return read_integer(path, scalar, 1, kMaxUnits, key.limit.rate);
    case 2:
    case 3: {
      if (scalar.kind == Scalar::Kind::kNull) return {};
      const std::uint64_t unit = which == 2 ? 1 : 1000;
      if (Status read = read_integer(path, scalar, 1, kMostMillis / unit, number); !read.ok()) return read;
      // As the original: milliseconds go before seconds.
      if (which == 2 || key.limit.per == Nanos(0)) key.limit.per = std::chrono::milliseconds(number * unit);
      return {};
    }
    default: {
      const std::optional<Algorithm> algorithm = original_algorithm(scalar.text);
      if (!algorithm || scalar.kind != Scalar::Kind::kString)
        return wrong(path, "is not an algorithm that Flint knows.");
      key.limit.algorithm = *algorithm;
      key.knows_algorithm = true;
      return {};
    }
  }
}

Status SnapshotState::bucket_value(Key& key, const JsonPath& path, const Scalar& scalar) {
  if (path[3] == "last_refill" && !key.last_refill) {
    WallTime time;
    Status read = read_wall(path, scalar, time);
    key.last_refill = usage_.time_of(time);
    return read;
  }
  if (path[3] != "tokens" && path[3] != "last_refill") return unknown(path);
  if (path[3] == "last_refill" || key.tokens) return wrong(path, "appears more than once.");
  double tokens = 0;
  const char* const end = scalar.text.data() + scalar.text.size();
  const auto read = std::from_chars(scalar.text.data(), end, tokens);
  const bool number = scalar.kind == Scalar::Kind::kNumber && read.ec == std::errc() && read.ptr == end;
  if (!number || !(tokens >= 0)) return wrong(path, "must be a number that is not negative.");
  key.tokens = tokens;
  return {};
}

Status SnapshotState::fixed_window_value(Key& key, const JsonPath& path, const Scalar& scalar) {
  if (path[3] == "window_start" && !key.window_start) {
    WallTime time;
    Status read = read_wall(path, scalar, time);
    key.window_start = usage_.time_of(time);
    return read;
  }
  if (path[3] == "count" && !key.count) return read_integer(path, scalar, 0, kMost, key.count.emplace());
  return path[3] == "window_start" || path[3] == "count" ? wrong(path, "appears more than once.") : unknown(path);
}

/// One time for each unit; those of one time are one run.
Status SnapshotState::sliding_window_value(Key& key, const JsonPath& path, const Scalar& scalar) {
  WallTime wall;
  if (Status read = read_wall(path, scalar, wall); !read.ok()) return read;
  Time time = usage_.time_of(wall);
  if (!key.runs.empty()) time = std::max(time, key.runs.back().time);
  if (key.runs.empty() || key.runs.back().time != time) key.runs.push_back({time, 0});
  ++key.runs.back().cost;
  return {};
}

Status SnapshotState::metrics_value(Key& key, const JsonPath& path, const Scalar& scalar) {
  constexpr std::array<std::string_view, 7> kNames{"total_allowed",     "total_denied",    "total_allowed_cost",
                                                   "total_denied_cost", "last_allowed_at", "last_denied_at",
                                                   "last_reset_at"};
  const unsigned which = index_in(kNames, path[3]);
  if (which == kNames.size()) return unknown(path);
  if (!first_time(key.members, which)) return wrong(path, "appears more than once.");
  limiter::Counters& counters = key.counters;
  constexpr std::uint64_t kAny = UINT64_MAX;
  switch (which) {
    case 0:
      return read_integer(path, scalar, 0, kMost, counters.allowed);
    case 1:
      return read_integer(path, scalar, 0, kMost, counters.denied);
    case 2:
      key.knows_costs = true;
      return read_integer(path, scalar, 0, kAny, counters.allowed_cost);
    case 3:
      return read_integer(path, scalar, 0, kAny, counters.denied_cost);
    case 4:
      return read_optional_wall(path, scalar, counters.last_allowed_at);
    case 5:
      return read_optional_wall(path, scalar, counters.last_denied_at);
    default:
      return read_optional_wall(path, scalar, counters.last_reset_at);
  }
}

/// Members of a key are spread over several objects in any order, so what a key means is only known at the end. Each
/// key is judged as a whole here, and usage without a limit is refused: dropping it would forgive it.
Status SnapshotState::finish() {
  if (!version_) return wrong({"format_version"}, "is missing.");
  if (!offset_) return wrong({"aof_offset"}, "is missing.");
  if (!has_state_) return wrong({"state"}, "is missing.");
  for (const std::string_view part : {"configs", "buckets", "fixed_windows", "sliding_windows"}) {
    if (std::find(parts_.begin(), parts_.end(), part) == parts_.end()) {
      return wrong({"state", std::string(part)}, "is missing.");
    }
  }
  for (auto& [name, key] : keys_) {
    if (Status finished = finish_key(name, key); !finished.ok()) return finished;
  }
  return {};
}

Status SnapshotState::finish_key(const std::string& name, Key& key) {
  if (!key.has_config) return wrong({"state", "configs", name}, "is missing, and there is usage of this key.");
  if (key.limit.rate == 0) return wrong({"state", "configs", name, "rate"}, "is missing.");
  if (key.limit.per == Nanos(0)) return wrong({"state", "configs", name, "per_millis"}, "is missing.");
  if (!key.knows_algorithm) return wrong({"state", "configs", name, "algorithm"}, "is missing.");
  if (key.has_bucket && (!key.tokens || !key.last_refill)) {
    return wrong({"state", "buckets", name}, "must have tokens and last_refill.");
  }
  if (key.has_fixed_window && (!key.count || !key.window_start)) {
    return wrong({"state", "fixed_windows", name}, "must have count and window_start.");
  }
  // The first versions counted checks alone, each of which cost 1.
  if (!key.knows_costs) {
    key.counters.allowed_cost = key.counters.allowed;
    key.counters.denied_cost = key.counters.denied;
  }
  Result<algorithm::State> state = state_of(key);
  if (!state.ok()) return wrong({"state", "sliding_windows", name}, state.status().message());
  Status restored = usage_.restore(name, key.limit, std::move(*state), key.counters);
  return restored.ok() ? restored : wrong({"state", "configs", name}, "is refused: " + std::string(restored.message()));
}

/// What is left over from another algorithm counted for nothing in the original.
Result<algorithm::State> SnapshotState::state_of(const Key& key) {
  const Limit& limit = key.limit;
  switch (limit.algorithm) {
    case Algorithm::kTokenBucket:
      if (key.has_bucket) return algorithm::State(bucket_with(*key.tokens, limit, *key.last_refill));
      break;
    case Algorithm::kFixedWindowCounter:
      if (key.has_fixed_window) {
        return algorithm::State(algorithm::FixedWindow{*key.window_start, std::min(*key.count, limit.capacity())});
      }
      break;
    case Algorithm::kSlidingWindowCounter:
    case Algorithm::kConcurrency:
      break;  // the original has none: their names are refused where the limit is read
    case Algorithm::kSlidingWindowLog: {
      algorithm::SlidingLog log = algorithm::SlidingLog::fresh();
      for (const algorithm::Run& run : key.runs) {
        if (run.cost > kMaxUnits - std::min(kMaxUnits, log.spent(run.time, limit.per))) {
          return Status(Code::kInvalidArgument, "holds more units than any limit allows.");
        }
        log.append(run.time, run.cost, limit.per);
      }
      return algorithm::State(std::move(log));
    }
  }
  return algorithm::fresh(limit, Time{});
}

}  // namespace flint::original
