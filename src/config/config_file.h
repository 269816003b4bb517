#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/gate.h"
#include "flint/limiter.h"
#include "flint/status.h"

/// Files in TOML that an operator writes: limits, and the options of a server. All that is wrong in a file is found in
/// one reading, each with its line.
namespace flint::config {

struct Problem {
  std::string file;
  /// 0: it concerns the file as a whole.
  std::size_t line = 0;
  std::string text;
};

/// `FILE:LINE: text`.
[[nodiscard]] std::string describe(const Problem& problem);

/// Where the values of a table stand, by their paths in it: `rate`, `windows[1].per`.
class Lines {
 public:
  explicit Lines(std::size_t first = 0) : first_(first) {}
  void add(std::string path, std::size_t line) { values_.emplace_back(std::move(path), line); }
  /// The line of the value at `path`, of what it is in where it is not there itself, or of the table.
  [[nodiscard]] std::size_t of(std::string_view path) const noexcept;

 private:
  std::size_t first_;
  std::vector<std::pair<std::string, std::size_t>> values_;
};

/// One `[[limits]]`, valid by itself.
struct FileLimit {
  std::string key;
  Limit limit;
  LimitOptions options;
  /// As the API's setLimit takes it.
  std::string json;
  /// Where it stands.
  std::string file;
  Lines lines;

  [[nodiscard]] NamedLimit named() const { return {.key = key, .limit = limit, .options = options}; }
};

/// One option of a server, by the name that it has on the command line, without its dashes.
struct FileOption {
  enum class Kind : std::uint8_t { kText, kInteger, kBoolean };
  std::string name;
  Kind kind = Kind::kText;
  /// What stands on the command line for the value; `true` or `false`.
  std::string value;
  std::size_t line = 0;
};

struct ConfigFile {
  std::vector<FileLimit> limits;
  std::vector<api::Gate> gates;
  std::vector<FileOption> options;
  /// In the order of their lines.
  std::vector<Problem> problems;
};

/// A limits file has `[[limits]]` alone: every other name is a problem. `file` is its name.
[[nodiscard]] ConfigFile parse_limits(std::string_view text, const std::string& file);
/// Options at the top, with any name, `[[limits]]` and `[[gates]]`.
[[nodiscard]] ConfigFile parse_config(std::string_view text, const std::string& file);

/// Adds the limits of another file. A key that is there already is a problem.
void add_limits(ConfigFile& config, ConfigFile&& other);

/// What Limiter::apply() or the API refuses of these limits, by the place that its message begins with
/// (`limits[3].rate must be ...`): the line, and the message without the place of the limit. Without a file where it
/// does not begin so.
[[nodiscard]] Problem problem_of(const std::vector<FileLimit>& limits, const Status& refused);

}  // namespace flint::config
