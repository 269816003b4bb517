#include "original/log.h"

#include <fmt/format.h>

#include <limits>

#include "base/invalid.h"
#include "original/line_reader.h"
#include "original/object_reader.h"
#include "original/sha256.h"

/// A line of the log is `{"version":1,"ts":TIME,"event":EVENT,"checksum":"..."}`; the first versions wrote neither
/// version nor checksum. The checksum is the SHA-256 of the line as it would be without that member.
namespace flint::original {
namespace {

using api::JsonNode;
using base::invalid;

constexpr std::uint64_t kKnownVersion = 1;

std::string_view without_blanks_at_the_end(std::string_view text) {
  while (text.ends_with('\r') || text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// The checksum is over bytes, so the line is compared as text: writing the parsed members again might order or escape
/// them differently.
/// The original writes the checksum last, and no blanks.
Status verify(std::string_view line, std::string_view checksum) {
  const std::string tail = fmt::format(",\"checksum\":\"{}\"}}", checksum);
  if (!line.ends_with(tail)) return invalid("checksum must be the last member, as the original writes it.");
  Sha256 sum;
  sum.update(line.substr(0, line.size() - tail.size()));
  sum.update("}");
  if (sum.hex() == checksum) return {};
  return invalid("the checksum does not match: the line is damaged or was edited.");
}

/// What the other members of an event are depends on it.
Result<std::string_view> type_of(const api::JsonDocument& document, const JsonNode& event) {
  if (event.kind != JsonNode::Kind::kObject) {
    return invalid(fmt::format("event must be an object, not {}.", api::kind_name(event)));
  }
  const JsonNode* node = event.size == 0 ? nullptr : document.first_child(event);
  for (std::uint32_t i = 0; i < event.size; ++i, node = document.sibling(*node)) {
    if (node->name == "type" && node->kind == JsonNode::Kind::kString) return node->text;
  }
  return invalid("event.type is missing, or is not a string.");
}

Units cost_of(ObjectReader& object) {
  // The first version knew no cost.
  return object.optional("cost") == nullptr ? 1 : object.integer("cost", 1, kMaxUnits);
}

Nanos period_of(ObjectReader& config) {
  constexpr std::uint64_t kMostMillis = kMaxPeriod / std::chrono::milliseconds(1);
  // The first version counted in seconds.
  if (config.optional("per_millis") == nullptr && config.optional("per_seconds") != nullptr) {
    return Nanos(std::chrono::seconds(config.integer("per_seconds", 1, kMostMillis / 1000)));
  }
  return Nanos(std::chrono::milliseconds(config.integer("per_millis", 1, kMostMillis)));
}

}  // namespace

/// The checksum is compared before the event is looked at: a damaged line should be reported as damaged, and not for
/// the nonsense that the damage made of its content.
Status LogLine::apply(std::string_view line, Usage& usage, LogReport& report) {
  line = without_blanks_at_the_end(line);
  const Status parsed = document_.parse(line, "the line");
  is_no_json_ = !parsed.ok();
  if (!parsed.ok()) return parsed;
  ObjectReader entry(document_, document_.root(), "", {"version", "ts", "event", "checksum"});
  const bool is_checked = entry.status().ok() && entry.optional("checksum") != nullptr;
  if (is_checked || entry.optional("version") != nullptr) {
    const std::uint64_t version = entry.integer("version", 0, std::numeric_limits<std::uint32_t>::max());
    if (entry.status().ok() && version != kKnownVersion) {
      entry.fail(fmt::format("version is {}, and this Flint knows version {} only.", version, kKnownVersion));
    }
  }
  const std::string_view checksum = is_checked ? entry.text("checksum") : std::string_view();
  const WallTime written_at = entry.time("ts");
  const JsonNode* event = entry.required("event");
  if (!entry.status().ok()) return entry.status();
  if (is_checked) {
    if (Status verified = verify(line, checksum); !verified.ok()) return verified;
  }
  return apply_event(*event, written_at, usage, report);
}

Status LogLine::apply_event(const JsonNode& event, WallTime written_at, Usage& usage, LogReport& report) {
  const Result<std::string_view> found = type_of(document_, event);
  if (!found.ok()) return found.status();
  const std::string_view type = *found;
  if (type == "ALLOW_ALL") {
    ++report.allowed_all;
    return apply_all(event, usage);
  }
  if (type == "LIMIT_CONFIGURED") {
    ++report.configured;
    return configure(event, written_at, usage);
  }
  if (type != "ALLOW" && type != "DENY" && type != "RESET") {
    return invalid(fmt::format("event.type \"{}\" is unknown to this Flint.", type.substr(0, 40)));
  }
  const bool is_reset = type == "RESET";
  ObjectReader one = is_reset ? ObjectReader(document_, event, "event", {"type", "key", "at"})
                              : ObjectReader(document_, event, "event", {"type", "key", "at", "cost"});
  const std::string_view key = one.text("key");
  const WallTime at = one.time("at");
  const Units cost = is_reset ? 0 : cost_of(one);
  if (!one.status().ok()) return one.status();
  if (type == "ALLOW") {
    ++report.allowed;
    return usage.allow(key, cost, at);
  }
  ++(is_reset ? report.reset : report.denied);
  return is_reset ? usage.reset(key, at) : usage.deny(key, cost, at);
}

Status LogLine::apply_all(const JsonNode& event, Usage& usage) {
  ObjectReader all(document_, event, "event", {"type", "items", "at"});
  const WallTime at = all.time("at");
  const JsonNode* items = all.required("items");
  if (!all.status().ok()) return all.status();
  if (items->kind != JsonNode::Kind::kArray) {
    return invalid(fmt::format("event.items must be an array, not {}.", api::kind_name(*items)));
  }
  const JsonNode* node = items->size == 0 ? nullptr : document_.first_child(*items);
  for (std::uint32_t i = 0; i < items->size; ++i, node = document_.sibling(*node)) {
    ObjectReader item(document_, *node, fmt::format("event.items[{}]", i), {"key", "cost"});
    const std::string_view key = item.text("key");
    const Units cost = item.integer("cost", 1, kMaxUnits);
    if (!item.status().ok()) return item.status();
    if (Status allowed = usage.allow(key, cost, at); !allowed.ok()) return allowed;
  }
  return {};
}

Status LogLine::configure(const JsonNode& event, WallTime written_at, Usage& usage) {
  ObjectReader configured(document_, event, "event", {"type", "config"});
  const JsonNode* node = configured.required("config");
  if (!configured.status().ok()) return configured.status();
  ObjectReader config(document_, *node, "event.config", {"key", "rate", "per_millis", "per_seconds", "algorithm"});
  const std::string_view key = config.text("key");
  Limit limit;
  limit.rate = config.integer("rate", 1, kMaxUnits);
  limit.per = period_of(config);
  const std::optional<Algorithm> algorithm = original_algorithm(config.text("algorithm"));
  if (!algorithm) config.fail("event.config.algorithm is not an algorithm that Flint knows.");
  if (!config.status().ok()) return config.status();
  limit.algorithm = *algorithm;
  return usage.configure(key, limit, written_at);
}

namespace {

/// Where the lines begin that a snapshot of position `offset` does not contain. The original writes a snapshot at the
/// end of the log and then empties the log; so if the position is not the end of a line, it refers to a log that is
/// gone, and all lines are newer.
Result<std::uint64_t> first_line_at(const io::File& file, std::uint64_t offset, std::uint64_t size) {
  if (offset == 0 || offset > size) return 0;
  std::byte before{};
  const Result<std::size_t> got = file.read_at(offset - 1, {&before, 1});
  if (!got.ok()) return got.status();
  return *got == 1 && before == std::byte{'\n'} ? offset : 0;
}

}  // namespace

/// Strict about every line but the last: a crash cuts off only what was being written, which is a line without an end
/// and not JSON. A damaged line anywhere else ends the import. To skip it would forgive what it granted.
Result<LogReport> read_log(io::Directory& directory, std::uint64_t offset, Usage& usage, const Progress& progress) {
  LogReport report;
  Result<std::unique_ptr<io::File>> file = directory.open(kLogName, io::OpenFile::kRead);
  if (file.code() == Code::kNotFound) return report;
  if (!file.ok()) return file.status();
  report.exists = true;
  const Result<std::uint64_t> size = (*file)->size();
  if (!size.ok()) return size.status();
  const Result<std::uint64_t> begin = first_line_at(**file, offset, *size);
  if (!begin.ok()) return begin.status();
  report.is_newer_than_snapshot = *begin != offset;

  constexpr std::uint64_t kLinesBetweenReports = 4096;
  const auto damaged = [&](std::uint64_t line, const Status& status) {
    return Status(Code::kCorruption, fmt::format("{}/{}:{}: {}", directory.path(), kLogName, line, status.message()));
  };
  LineReader lines(**file);
  LogLine reader;
  while (true) {
    const Result<std::optional<Line>> line = lines.next();
    if (line.code() == Code::kInvalidArgument) return damaged(lines.line(), line.status());
    if (!line.ok()) return line.status();
    if (!*line) return report;
    if (progress && (*line)->number % kLinesBetweenReports == 0) progress(kLogName, (*line)->offset, *size);
    if ((*line)->offset < *begin || without_blanks_at_the_end((*line)->text).empty()) continue;
    const Status applied = reader.apply((*line)->text, usage, report);
    if (applied.ok()) continue;
    if ((*line)->ended || !reader.is_no_json()) return damaged((*line)->number, applied);
    report.torn_line = (*line)->number;
  }
}

}  // namespace flint::original
