#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "original/json_stream.h"
#include "original/usage.h"

namespace flint::original {

/// What a snapshot of the original holds, told value by value:
/// {"format_version":1,"created_at":TIME,"aof_offset":N,"state":{"configs":{KEY:{"key","rate","per_millis" or
/// "per_seconds","algorithm"}},"buckets":{KEY:{"tokens":1.5,"last_refill":TIME}},"fixed_windows":{KEY:{"window_start",
/// "count"}},"sliding_windows":{KEY:[TIME for each unit]},"metrics":{KEY:{"total_allowed","total_denied",
/// "total_allowed_cost","total_denied_cost","last_allowed_at","last_denied_at","last_reset_at"}},"history":[EVENT]}}.
/// The parts of the state come in any order; the history is only its past and left out.
class SnapshotState final : public JsonSink {
 public:
  /// `usage` outlives this.
  explicit SnapshotState(Usage& usage) : usage_(usage) {}

  Status begin(const JsonPath& path, bool is_object) override;
  Status value(const JsonPath& path, const Scalar& scalar) override;
  [[nodiscard]] bool in_pieces(const JsonPath&) const override { return false; }
  Status piece(std::string_view) override { return {}; }

  /// Everything was told: puts it into the usage.
  Status finish();
  [[nodiscard]] bool has_content() const noexcept { return offset_ || has_state_; }
  [[nodiscard]] std::uint64_t log_offset() const noexcept { return offset_.value_or(0); }

 private:
  struct Key {
    // What was told, each once: parts of the state, then members of a part.
    bool has_config = false;
    bool has_bucket = false;
    bool has_fixed_window = false;
    bool has_sliding_window = false;
    bool has_metrics = false;
    std::uint32_t members = 0;

    Limit limit;
    bool knows_algorithm = false;
    std::optional<double> tokens;
    std::optional<Time> last_refill;
    std::optional<Time> window_start;
    std::optional<Units> count;
    std::vector<algorithm::Run> runs;
    limiter::Counters counters;
    bool knows_costs = false;
  };

  Status root_value(const std::string& name, const Scalar& scalar);
  Status begin_part(const JsonPath& path, bool is_object);
  Status begin_key(const JsonPath& path, bool is_object);
  Status config_value(Key& key, const JsonPath& path, const Scalar& scalar);
  Status bucket_value(Key& key, const JsonPath& path, const Scalar& scalar);
  Status fixed_window_value(Key& key, const JsonPath& path, const Scalar& scalar);
  Status sliding_window_value(Key& key, const JsonPath& path, const Scalar& scalar);
  Status metrics_value(Key& key, const JsonPath& path, const Scalar& scalar);
  Status finish_key(const std::string& name, Key& key);
  [[nodiscard]] static Result<algorithm::State> state_of(const Key& key);

  Usage& usage_;
  std::map<std::string, Key, std::less<>> keys_;
  /// The one that is being told.
  Key* current_ = nullptr;
  std::optional<std::uint64_t> version_;
  std::optional<std::uint64_t> offset_;
  bool has_state_ = false;
  std::vector<std::string> parts_;
};

}  // namespace flint::original
