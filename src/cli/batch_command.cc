#include <algorithm>
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
#include "flint/limit.h"

/// `limit check-batch --from`: any number of checks, a line each, and a line of JSON for each answer.
namespace flint::cli {
namespace {

/// A request has at most kMaxBatchBodyBytes, of which this leaves some.
constexpr std::size_t kBytesAtOnce = 960 * 1024;
/// And at most kMaxBatchJsonValues.
constexpr std::size_t kValuesAtOnce = 60 * 1024;
/// On standard error; standard output has all of them.
constexpr std::size_t kMostFailuresTold = 20;

std::size_t values_in(const json::value& value) {
  std::size_t values = 1;
  if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) values += values_in(element);
  }
  if (const json::object* object = value.if_object()) {
    for (const auto& [name, element] : *object) values += 1 + values_in(element);
  }
  return values;
}

class Batch {
 public:
  Batch(Session& session, Lines& lines) : session_(session), lines_(lines), progress_(session) {}

  Exit run() {
    std::string line;
    while (lines_.next(line)) {
      if (is_blank(line)) continue;
      if (const Exit exit = add(line); exit != Exit::kDone) return exit;
      if (numbers_.size() + problems_.size() < kMaxBatchChecks) continue;
      if (const Exit exit = decide(); exit != Exit::kDone) return exit;
    }
    if (const std::string error = lines_.error(); !error.empty()) problems_.push_back({lines_.file(), 0, error});
    if (const Exit exit = decide(); exit != Exit::kDone) return exit;
    progress_.erase();
    if (failed_ > kMostFailuresTold) session_.warn("Further checks failed. " + sentence());
    return failed_ > 0 ? Exit::kUsage : denied_ > 0 ? Exit::kDenied : Exit::kDone;
  }

 private:
  /// Not kDone if the lines before could not be decided.
  Exit add(const std::string& line) {
    const auto wrong = [&](std::string text) {
      problems_.push_back({lines_.file(), lines_.number(), std::move(text)});
      return Exit::kDone;
    };
    if (line.size() > kMaxLineBytes) {
      return wrong("The line is longer than " + std::to_string(kMaxLineBytes) + " bytes.");
    }
    api::JsonDocument document;
    if (Status parsed = document.parse(line, "The line"); !parsed.ok()) return wrong(parsed.message());
    const Result<api::CheckRequest> request = api::read_check(document);
    if (!request.ok()) return wrong(request.status().message());
    if (Status valid = validate_key(request->key); !valid.ok()) return wrong(valid.message());
    json::value check = json::parse(line);
    // An integer, for who judges the answer.
    check.as_object()["cost"] = request->cost;
    const std::size_t bytes = json::serialize(check).size() + 1;
    const std::size_t values = values_in(check);
    if (bytes_ + bytes > kBytesAtOnce || values_ + values > kValuesAtOnce) {
      if (const Exit exit = decide(); exit != Exit::kDone) return exit;
    }
    bytes_ += bytes;
    values_ += values;
    checks_.push_back(std::move(check));
    numbers_.push_back(lines_.number());
    return Exit::kDone;
  }

  /// The lines read so far, unless one of them is wrong.
  Exit decide() {
    static constexpr Question kQuestion{"checkBatch", Access::kChange, judge_check_batch, nullptr};
    if (!problems_.empty()) return stop();
    if (numbers_.empty()) return Exit::kDone;
    bytes_ = values_ = 0;
    progress_.erase();
    const Exit exit = session_.ask(kQuestion, {{"checks", std::exchange(checks_, {})}},
                                   [this](const json::value& answer, std::string_view) {
                                     take(elements(member(answer, "results")));
                                     return Exit::kDone;
                                   });
    if (exit != Exit::kDone) {
      tell_how_far();
      return exit;
    }
    last_line_ = numbers_.back();
    numbers_.clear();
    progress_.show("Line " + std::to_string(last_line_));
    // Nobody is there to tell what is decided from here on.
    return session_.unheard() ? Exit::kFailed : Exit::kDone;
  }

  void take(const json::array& results) {
    std::string out;
    for (std::size_t i = 0; i < results.size(); ++i) {
      out += json::serialize(results[i]) + "\n";
      const json::value& error = member(results[i], "error");
      if (error.is_null()) {
        ++(member(results[i], "allowed").get_bool() ? allowed_ : denied_);
      } else if (++failed_ <= kMostFailuresTold) {
        session_.print_aside(config::describe({lines_.file(), numbers_[i], shown(error)}) + "\n");
      }
    }
    session_.print(out);
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
    session_.warn(last_line_ == 0 ? "Nothing was decided."
                                  : "The lines up to " + std::to_string(last_line_) +
                                        " were decided, and none after that. " + sentence());
  }

  [[nodiscard]] std::string sentence() const {
    return std::to_string(allowed_) + " allowed, " + std::to_string(denied_) + " denied, " + std::to_string(failed_) +
           " failed.";
  }

  Session& session_;
  Lines& lines_;
  ProgressLine progress_;
  /// The group under way: its checks, their lines, their size.
  json::array checks_;
  std::vector<std::size_t> numbers_;
  std::size_t bytes_ = 0;
  std::size_t values_ = 0;
  std::vector<config::Problem> problems_;
  std::size_t last_line_ = 0;
  std::uint64_t allowed_ = 0;
  std::uint64_t denied_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace

Exit limit_check_from(Session& session, const std::string& path) {
  Lines lines(path);
  if (!lines.opened().ok()) return session.fail(lines.opened());
  return Batch(session, lines).run();
}

}  // namespace flint::cli
