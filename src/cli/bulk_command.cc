#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "api/json_document.h"
#include "api/requests.h"
#include "base/unique_fd.h"
#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/progress_line.h"
#include "config/config_file.h"
#include "config/read_file.h"
#include "flint/limiter.h"

/// `limit add --from`: any number of limits, a line each, in groups of which each is applied as a whole or not at all.
namespace flint::cli {
namespace {

/// So that a group is logged, and other decisions wait, for some milliseconds.
constexpr std::size_t kLinesAtOnce = 1'000;
/// The longest key, escaped, and all other fields fit many times.
constexpr std::size_t kMaxLineBytes = 16 * 1024;

/// Lines of a file that may have no end.
class Lines {
 public:
  explicit Lines(int descriptor) : descriptor_(descriptor) {}

  /// False at the end, and after a failure. A line that is too long is cut off behind kMaxLineBytes.
  bool next(std::string& line) {
    line.clear();
    bool any = false;
    while (begin_ < end_ || fill()) {
      any = true;
      const std::string_view there(&buffer_[begin_], end_ - begin_);
      const std::size_t size = std::min(there.find('\n'), there.size());
      if (line.size() <= kMaxLineBytes) line.append(there.substr(0, size));
      begin_ += size;
      if (size == there.size()) continue;
      ++begin_;
      return true;
    }
    return any;
  }
  [[nodiscard]] int error() const { return error_; }

 private:
  bool fill() {
    ssize_t got = 0;
    do {
      got = ::read(descriptor_, buffer_.data(), buffer_.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) error_ = errno;
    begin_ = 0;
    end_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    return got > 0;
  }

  int descriptor_;
  std::array<char, 64 * 1024> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  int error_ = 0;
};

class Bulk {
 public:
  Bulk(Session& session, const Question& question, std::string file)
      : session_(session), question_(question), file_(std::move(file)), progress_(session) {}

  Exit run(Lines& lines) {
    std::string line;
    for (std::size_t number = 1; lines.next(line); ++number) {
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      if (const Exit exit = add(line, number); exit != Exit::kDone) return exit;
      if (numbers_.size() + problems_.size() < kLinesAtOnce) continue;
      if (const Exit exit = apply(); exit != Exit::kDone) return exit;
    }
    if (lines.error() != 0) {
      problems_.push_back({file_, 0, "This cannot be read: " + std::generic_category().message(lines.error()) + "."});
    }
    if (const Exit exit = apply(); exit != Exit::kDone) return exit;
    progress_.erase();
    session_.print(session_.json() ? document() : sentence() + "\n");
    return Exit::kDone;
  }

 private:
  /// Not kDone if the lines before could not be applied.
  Exit add(const std::string& line, std::size_t number) {
    const auto wrong = [&](std::string text) {
      problems_.push_back({file_, number, std::move(text)});
      return Exit::kDone;
    };
    if (line.size() > kMaxLineBytes) {
      return wrong("The line is longer than " + std::to_string(kMaxLineBytes) + " bytes.");
    }
    api::JsonDocument document;
    if (Status parsed = document.parse(line, "The line"); !parsed.ok()) return wrong(parsed.message());
    const Result<api::LimitRequest> request = api::read_limit(document);
    if (!request.ok()) return wrong(request.status().message());
    const Status valid = validate_named_limit({request->key, request->limit, request->options});
    if (!valid.ok()) return wrong(valid.message());
    // What a later line says of a key holds, as if each had been added by itself.
    if (!keys_.emplace(request->key).second) {
      if (const Exit exit = apply(); exit != Exit::kDone) return exit;
      keys_.emplace(request->key);
    }
    limits_.push_back(json::parse(line));
    numbers_.push_back(number);
    return Exit::kDone;
  }

  /// The lines read so far, unless one of them is wrong.
  Exit apply() {
    if (!problems_.empty()) return stop();
    if (numbers_.empty()) return Exit::kDone;
    const Exit exit = session_.ask(
        question_, {{"limits", std::exchange(limits_, {})}},
        [this](const json::value& answer, std::string_view) {
          count(answer);
          return Exit::kDone;
        },
        [this](const std::string& refusal) { return explain(refusal); });
    if (exit != Exit::kDone) {
      progress_.erase();
      tell_how_far();
      return exit;
    }
    last_line_ = numbers_.back();
    numbers_.clear();
    keys_.clear();
    progress_.show("Line " + std::to_string(last_line_));
    return exit;
  }

  Exit stop() {
    progress_.erase();
    std::vector<std::string> lines;
    for (const config::Problem& problem : problems_) lines.push_back(config::describe(problem));
    const Exit exit = session_.fail(lines);
    tell_how_far();
    return exit;
  }

  void tell_how_far() {
    session_.warn(last_line_ == 0 ? "Nothing was applied."
                                  : "The lines up to " + std::to_string(last_line_) +
                                        " were applied, and none after that. " + sentence());
  }

  void count(const json::value& answer) {
    for (const json::value& change : elements(member(answer, "changes"))) {
      ++(member(change, "before").is_null() ? added_ : changed_);
    }
    unchanged_ += unsigned_of(member(answer, "unchanged")).value_or(0);
  }

  std::string explain(const std::string& refusal) const {
    std::vector<config::FileLimit> limits;
    for (const std::size_t number : numbers_) {
      limits.push_back(
          {.key = {}, .limit = {}, .options = {}, .json = {}, .file = file_, .lines = config::Lines(number)});
    }
    const config::Problem problem = config::problem_of(limits, {Code::kInvalidArgument, refusal});
    return problem.file.empty() ? "" : config::describe(problem);
  }

  std::string sentence() const {
    return std::to_string(added_) + " added, " + std::to_string(changed_) + " changed, " + std::to_string(unchanged_) +
           " unchanged.";
  }
  std::string document() const {
    return json::serialize(json::object{{"added", added_}, {"changed", changed_}, {"unchanged", unchanged_}}) + "\n";
  }

  Session& session_;
  const Question& question_;
  const std::string file_;
  ProgressLine progress_;
  /// The group under way: its limits, their lines, their keys.
  json::array limits_;
  std::vector<std::size_t> numbers_;
  std::set<std::string, std::less<>> keys_;
  std::vector<config::Problem> problems_;
  std::size_t last_line_ = 0;
  std::uint64_t added_ = 0;
  std::uint64_t changed_ = 0;
  std::uint64_t unchanged_ = 0;
};

}  // namespace

Exit limit_add_from(Session& session, const std::string& path) {
  static constexpr Question kApply{"applyLimits", Access::kCreate, judge_changes, nullptr};
  base::UniqueFd opened;
  if (path != "-") {
    opened = base::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!opened.valid()) {
      return session.fail({Code::kInvalidArgument, config::file_name(path) + " cannot be read: " +
                                                       std::generic_category().message(errno) + "."});
    }
  }
  Lines lines(path == "-" ? STDIN_FILENO : opened.get());
  return Bulk(session, kApply, config::file_name(path)).run(lines);
}

}  // namespace flint::cli
