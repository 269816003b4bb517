#include "config/config_file.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>

#include "api/json_document.h"
#include "api/operations.h"
#include "api/requests.h"
#include "base/utf8.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

namespace flint::config {
namespace {

namespace json = boost::json;

std::size_t line_of(const toml::node& node) { return node.source().begin.line; }

std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

/// Reads one file; what is wrong is kept, and the reading goes on.
class Reading {
 public:
  Reading(ConfigFile& file, std::string name) : file_(file), name_(std::move(name)) {}

  void read(std::string_view text, bool has_options) {
    const std::size_t not_utf8 = base::find_invalid_utf8(text);
    if (not_utf8 < text.size()) {
      const auto before = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(not_utf8), '\n');
      return wrong(static_cast<std::size_t>(before) + 1, "This is not valid UTF-8.");
    }
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
      return wrong(parsed.error().source().begin.line,
                   "This is not TOML: " + std::string(parsed.error().description()) + ".");
    }
    for (const auto& [name, value] : parsed.table()) {
      // Of a configuration, a text of this name is the option: the name of a limits file.
      if (name.str() == "limits" && !(has_options && value.is_string())) {
        read_limits(value);
      } else if (has_options && name.str() == "gates") {
        read_gates(value);
      } else if (has_options) {
        read_option(std::string(name.str()), value);
      } else {
        wrong(line_of(value), shown(name.str()) + " has no place in a limits file, which consists of [[limits]].");
      }
    }
    std::stable_sort(file_.problems.begin(), file_.problems.end(),
                     [](const Problem& a, const Problem& b) { return a.line < b.line; });
  }

 private:
  void wrong(std::size_t line, std::string text) { file_.problems.push_back({name_, line, std::move(text)}); }

  static std::string shown(std::string_view name) { return json::serialize(json::string(name)); }

  void read_option(std::string name, const toml::node& value) {
    FileOption option{.name = std::move(name), .kind = {}, .value = {}, .line = line_of(value)};
    if (const auto* string = value.as_string()) {
      option.value = string->get();
    } else if (const auto* integer = value.as_integer()) {
      option.kind = FileOption::Kind::kInteger;
      option.value = std::to_string(integer->get());
    } else if (const auto* boolean = value.as_boolean()) {
      option.kind = FileOption::Kind::kBoolean;
      option.value = boolean->get() ? "true" : "false";
    } else {
      return wrong(option.line, option.name + " must be a string, an integer or a boolean, not " +
                                    std::string(kind_of(value)) + ".");
    }
    file_.options.push_back(std::move(option));
  }

  void read_limits(const toml::node& value) {
    const toml::array* array = value.as_array();
    if (array == nullptr) {
      return wrong(line_of(value),
                   "limits must be tables, each under [[limits]], not " + std::string(kind_of(value)) + ".");
    }
    for (const toml::node& element : *array) {
      if (const toml::table* table = element.as_table()) {
        read_limit(*table);
      } else {
        wrong(line_of(element), "A limit must be a table under [[limits]], not " + std::string(kind_of(element)) + ".");
      }
    }
  }

  void read_limit(const toml::table& table) {
    FileLimit limit{.key = {}, .limit = {}, .options = {}, .json = {}, .file = name_, .lines = Lines(line_of(table))};
    const std::size_t problems = file_.problems.size();
    json::object fields;
    for (const auto& [name, value] : table) {
      if (!is_field(name.str())) {
        wrong(line_of(value), shown(name.str()) + " is not a field of a limit: it has " + field_names() + ".");
        continue;
      }
      if (auto converted = to_json(value, std::string(name.str()), limit.lines)) fields[name.str()] = *converted;
    }
    // A field that is not JSON would only be said to be missing.
    if (file_.problems.size() > problems) return;
    limit.json = json::serialize(fields);
    if (Status valid = read_fields(limit); !valid.ok()) return wrong(limit.lines.of(valid.field()), valid.message());
    const std::size_t line = limit.lines.of("key");
    const auto [first, is_new] = lines_of_keys_.try_emplace(limit.key, line);
    if (!is_new) {
      return wrong(
          line, "The key " + shown(limit.key) + " has a limit on line " + std::to_string(first->second) + " already.");
    }
    file_.limits.push_back(std::move(limit));
  }

  void read_gates(const toml::node& value) {
    const toml::array* array = value.as_array();
    if (array == nullptr) {
      return wrong(line_of(value),
                   "gates must be tables, each under [[gates]], not " + std::string(kind_of(value)) + ".");
    }
    for (const toml::node& element : *array) {
      const toml::table* table = element.as_table();
      if (table == nullptr) {
        wrong(line_of(element), "A gate must be a table under [[gates]], not " + std::string(kind_of(element)) + ".");
        continue;
      }
      const std::size_t problems = file_.problems.size();
      api::Gate gate = read_gate(*table);
      if (file_.problems.size() > problems) continue;
      const std::size_t line = line_of(*table->get("name"));
      const auto [first, is_new] = lines_of_gates_.try_emplace(gate.name, line);
      if (is_new) {
        file_.gates.push_back(std::move(gate));
      } else {
        wrong(line, "The name " + shown(gate.name) + " is that of the gate on line " + std::to_string(first->second) +
                        " already.");
      }
    }
  }

  api::Gate read_gate(const toml::table& table) {
    api::Gate gate;
    const std::size_t problems = file_.problems.size();
    for (const std::string_view required : {"name", "key"}) {
      if (!table.contains(required)) wrong(line_of(table), std::string(required) + " is missing.");
    }
    for (const auto& [field, value] : table) {
      const std::string_view name = field.str();
      std::int64_t number = 0;
      if (name == "name") {
        read_gate_name(value, gate.name);
      } else if (name == "key") {
        read_text(name, value, gate.key, api::GateKey::parse);
      } else if (name == "limit") {
        read_text(name, value, gate.limit.emplace(), parse_limit);
      } else if (name == "cost" && read_integer(name, value, 1, static_cast<std::int64_t>(kMaxUnits), number)) {
        gate.cost = static_cast<Units>(number);
      } else if (name == "deny_status" &&
                 read_integer(name, value, api::kLeastDenyStatus, api::kMostDenyStatus, number)) {
        gate.statuses.deny = static_cast<int>(number);
      } else if (name == "allow_status") {
        read_allow_status(value, gate.statuses.allow);
      } else if (name == "trusted_hops" && read_integer(name, value, 0, api::kMaxTrustedHops, number)) {
        gate.trusted_hops = static_cast<unsigned>(number);
      } else if (name != "cost" && name != "deny_status" && name != "trusted_hops") {
        wrong(line_of(value), shown(name) +
                                  " is not a field of a gate: it has name, key, limit, cost, allow_status, "
                                  "deny_status and trusted_hops.");
      }
    }
    const bool is_sound = file_.problems.size() == problems;
    if (is_sound && gate.limit && gate.cost > least_capacity(*gate.limit)) {
      wrong(line_of(*table.get("cost")),
            "cost is more than the limit ever lets pass: " + std::to_string(least_capacity(*gate.limit)) + ".");
    }
    if (is_sound && gate.limit && gate.limit->algorithm == Algorithm::kConcurrency) {
      wrong(line_of(*table.get("limit")), "limit must not be concurrency, whose slots are taken by reservations only.");
    }
    return gate;
  }

  static Units least_capacity(const Limit& limit) {
    Units least = kMaxUnits;
    for (std::size_t i = 0; i < limit.window_count(); ++i) least = std::min(least, limit.window(i).capacity());
    return least;
  }

  void read_allow_status(const toml::node& value, int& to) {
    const auto* integer = value.as_integer();
    if (integer == nullptr || (integer->get() != 200 && integer->get() != 204)) {
      return wrong(line_of(value), "allow_status must be 200 or 204.");
    }
    to = static_cast<int>(integer->get());
  }

  void read_gate_name(const toml::node& value, std::string& to) {
    const auto* text = value.as_string();
    if (text != nullptr) to = text->get();
    const bool fits =
        !to.empty() && to.size() <= api::kMaxGateNameBytes && std::all_of(to.begin(), to.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        });
    if (!fits) {
      wrong(line_of(value), "name must be a string of 1 to " + std::to_string(api::kMaxGateNameBytes) +
                                " letters, digits, \"-\" and \"_\".");
    }
  }

  template <typename T, typename Parse>
  void read_text(std::string_view name, const toml::node& value, T& to, const Parse& parse) {
    const auto* text = value.as_string();
    if (text == nullptr) {
      return wrong(line_of(value), std::string(name) + " must be a string, not " + std::string(kind_of(value)) + ".");
    }
    auto parsed = parse(text->get());
    if (!parsed.ok()) return wrong(line_of(value), parsed.status().message());
    to = std::move(*parsed);
  }

  bool read_integer(std::string_view name, const toml::node& value, std::int64_t least, std::int64_t most,
                    std::int64_t& to) {
    const auto* integer = value.as_integer();
    if (integer != nullptr && integer->get() >= least && integer->get() <= most) {
      to = integer->get();
      return true;
    }
    wrong(line_of(value), std::string(name) + " must be an integer from " + std::to_string(least) + " to " +
                              std::to_string(most) + ".");
    return false;
  }

  /// The API's own reader decides what a limit is, so that a file takes all that a request takes.
  static Status read_fields(FileLimit& limit) {
    api::JsonDocument document;
    if (Status parsed = document.parse(limit.json, "The limit"); !parsed.ok()) return parsed;
    const Result<api::LimitRequest> request = api::read_limit(document);
    if (!request.ok()) return request.status();
    limit.key = request->key;
    limit.limit = request->limit;
    limit.options = request->options;
    return validate_named_limit(limit.named());
  }

  static bool is_field(std::string_view name) {
    const auto& known = api::operation("setLimit").arguments;
    return std::any_of(known.begin(), known.end(), [&](const api::Argument& each) { return each.name == name; });
  }
  static std::string field_names() {
    const auto& known = api::operation("setLimit").arguments;
    std::string names;
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (i > 0) names += i + 1 == known.size() ? " and " : ", ";
      names += known[i].name;
    }
    return names;
  }

  /// Nothing, and a problem, for what JSON has not.
  std::optional<json::value> to_json(const toml::node& node, const std::string& path, Lines& lines) {
    lines.add(path, line_of(node));
    if (const auto* string = node.as_string()) return json::value(string->get());
    if (const auto* integer = node.as_integer()) return json::value(integer->get());
    if (const auto* boolean = node.as_boolean()) return json::value(boolean->get());
    if (const auto* number = node.as_floating_point(); number != nullptr && std::isfinite(number->get())) {
      return json::value(number->get());
    }
    if (const auto* array = node.as_array()) {
      json::array values;
      for (std::size_t i = 0; i < array->size(); ++i) {
        auto value = to_json((*array)[i], path + "[" + std::to_string(i) + "]", lines);
        if (!value) return std::nullopt;
        values.push_back(std::move(*value));
      }
      return values;
    }
    if (const auto* table = node.as_table()) {
      json::object values;
      for (const auto& [name, member] : *table) {
        auto value = to_json(member, path + "." + std::string(name.str()), lines);
        if (!value) return std::nullopt;
        values[name.str()] = std::move(*value);
      }
      return values;
    }
    const bool is_number = node.is_floating_point();
    wrong(line_of(node), path + " must not be " + (is_number ? "infinite or no number" : "a date or time") + ".");
    return std::nullopt;
  }

  ConfigFile& file_;
  const std::string name_;
  std::map<std::string, std::size_t, std::less<>> lines_of_keys_;
  std::map<std::string, std::size_t, std::less<>> lines_of_gates_;
};

ConfigFile parse(std::string_view text, const std::string& name, bool has_options) {
  ConfigFile file;
  Reading(file, name).read(text, has_options);
  return file;
}

std::string quoted(std::string_view text) { return json::serialize(json::string(text)); }

}  // namespace

std::string describe(const Problem& problem) {
  if (problem.file.empty()) return problem.text;
  return problem.file + ":" + (problem.line == 0 ? "" : std::to_string(problem.line) + ":") + " " + problem.text;
}

std::size_t Lines::of(std::string_view path) const noexcept {
  std::size_t line = first_;
  std::size_t longest = 0;
  for (const auto& [known, at] : values_) {
    const bool is_in = path.starts_with(known) &&
                       (path.size() == known.size() || path[known.size()] == '.' || path[known.size()] == '[');
    if (!is_in || known.size() < longest) continue;
    longest = known.size();
    line = at;
  }
  return line;
}

ConfigFile parse_limits(std::string_view text, const std::string& file) { return parse(text, file, false); }
ConfigFile parse_config(std::string_view text, const std::string& file) { return parse(text, file, true); }

void add_limits(ConfigFile& config, ConfigFile&& other) {
  std::map<std::string, const FileLimit*, std::less<>> there;
  for (const FileLimit& limit : config.limits) there.emplace(limit.key, &limit);
  std::vector<FileLimit> added;
  for (FileLimit& limit : other.limits) {
    const auto found = there.find(limit.key);
    if (found == there.end()) {
      added.push_back(std::move(limit));
      continue;
    }
    config.problems.push_back({limit.file, limit.lines.of("key"),
                               "The key " + quoted(limit.key) + " has a limit in " + found->second->file +
                                   " already, on line " + std::to_string(found->second->lines.of("key")) + "."});
  }
  std::move(added.begin(), added.end(), std::back_inserter(config.limits));
  std::move(other.problems.begin(), other.problems.end(), std::back_inserter(config.problems));
}

Problem problem_of(const std::vector<FileLimit>& limits, const Status& refused) {
  constexpr std::string_view kPlace = "limits[";
  const std::string& message = refused.message();
  std::size_t index = limits.size();
  if (!message.starts_with(kPlace)) return {{}, 0, message};
  const char* const end = message.data() + message.size();
  const auto [after, error] = std::from_chars(message.data() + kPlace.size(), end, index);
  if (error != std::errc() || index >= limits.size() || after == end || *after != ']') return {{}, 0, message};
  std::string_view rest(after + 1, static_cast<std::size_t>(end - after - 1));
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(".: ")));
  const FileLimit& limit = limits[index];
  return {limit.file, limit.lines.of(rest.substr(0, rest.find(' '))), std::string(rest)};
}

}  // namespace flint::config
