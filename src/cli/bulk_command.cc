#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/json_document.h"
#include "api/requests.h"
#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/lines.h"
#include "cli/progress_line.h"
#include "config/config_file.h"
#include "flint/limiter.h"

/// `limit add --from`: any number of limits, a line each, in groups of which each is applied as a whole or not at all.
namespace flint::cli {
namespace {

/// So that a group is logged, and other decisions wait, for some milliseconds.
constexpr std::size_t kLinesAtOnce = 1'000;

class Bulk {
 public:
  Bulk(Session& session, const Question& question, Lines& lines)
      : session_(session), question_(question), lines_(lines), progress_(session) {}

  Exit run() {
    std::string line;
    while (lines_.next(line)) {
      if (is_blank(line)) continue;
      if (const Exit exit = add(line, lines_.number()); exit != Exit::kDone) return exit;
      if (numbers_.size() + problems_.size() < kLinesAtOnce) continue;
      if (const Exit exit = apply(); exit != Exit::kDone) return exit;
    }
    if (const std::string error = lines_.error(); !error.empty()) problems_.push_back({lines_.file(), 0, error});
    if (const Exit exit = apply(); exit != Exit::kDone) return exit;
    progress_.erase();
    session_.print(session_.json() ? document() : sentence() + "\n");
    return Exit::kDone;
  }

 private:
  /// Not kDone if the lines before could not be applied.
  Exit add(const std::string& line, std::size_t number) {
    const auto wrong = [&](std::string text) {
      problems_.push_back({lines_.file(), number, std::move(text)});
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
          {.key = {}, .limit = {}, .options = {}, .json = {}, .file = lines_.file(), .lines = config::Lines(number)});
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
  Lines& lines_;
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
  Lines lines(path);
  if (!lines.opened().ok()) return session.fail(lines.opened());
  return Bulk(session, kApply, lines).run();
}

}  // namespace flint::cli
