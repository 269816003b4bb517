#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/caller.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/question.h"
#include "cli/target.h"
#include "cli/text.h"
#include "flint/doctor.h"
#include "server/options.h"

namespace flint::original {
struct ImportOptions;
struct ImportReport;
}  // namespace flint::original

namespace flint::cli {

/// What a command works on. main() is the one place that picks them.
struct Implementations {
  OpenDirectory open_directory;
  ConnectServer connect_server;
  std::function<Result<DoctorReport>(std::string_view data_dir)> inspect;
  std::function<Result<DoctorReport>(std::string_view data_dir, std::chrono::milliseconds lock_timeout)> repair;
  std::function<Result<BackupReport>(std::string_view data_dir, std::string_view to)> back_up;
  std::function<Result<original::ImportReport>(const original::ImportOptions& options)> import_original;
  std::function<Status(const server::ServerOptions& options)> run_server;
  Environment environment;
};

/// One run of one command: asks, prints, and turns what happened into an exit code.
///
/// With --json, standard output gets exactly one JSON document, the API's answer or its error; what went wrong is on
/// standard error as a sentence in any case.
class Session {
 public:
  struct Console {
    Output& out;
    Output& err;
    Style style;
  };
  Session(const Implementations& implementations, Target target, bool json, Console console)
      : implementations_(implementations), target_(std::move(target)), json_(json), console_(console) {}

  /// Calls the API and prints its answer, if that can be believed: its text with --json, else as the question shows it.
  Exit ask(const Question& question, const json::object& asked);
  /// Calls the API and passes an answer that can be believed to `use`: its value and its text.
  using Use = std::function<Exit(const json::value& value, std::string_view text)>;
  /// `explain` makes of a refusal's sentence a line for standard error that says more, or nothing.
  using Explain = std::function<std::string(const std::string& sentence)>;
  Exit ask(const Question& question, const json::object& asked, const Use& use, const Explain& explain = {});
  /// Prints an answer that is there already; `from` names who gave it.
  Exit print_answer(const Answer& answer, std::string_view from, const Question& question);
  void print(std::string_view text);
  /// To standard error.
  void print_aside(std::string_view text);
  void warn(std::string_view sentence);
  Exit fail(const Status& status);
  /// kInvalidArgument, for what is wrong in a file: a line each, as other programs read them.
  Exit fail(const std::vector<std::string>& lines);

  /// Closes what the session opened and makes sure that what was printed arrived: `exit`, or kFailed if not.
  Exit finish(Exit exit);

  [[nodiscard]] bool json() const { return json_; }
  [[nodiscard]] const Style& style() const { return console_.style; }
  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] const Implementations& implementations() const { return implementations_; }
  /// Nobody reads any more.
  [[nodiscard]] bool unheard() const { return console_.out.broken(); }

 private:
  Result<Answer> call(Access access, const Call& call);
  /// Has `use` take an answer that can be believed.
  Exit judge(const Answer& answer, std::string_view from, const Question& question, const json::object& asked,
             const Use& use, const Explain& explain = {});
  [[nodiscard]] Use printing(const Question& question, const json::object& asked);
  /// A line on standard error; `priority` goes in front of it where that is the journal.
  void complain(std::string_view priority, std::string_view sentence);
  void print_error(std::string_view document);
  Exit refuse(const Answer& answer, std::string_view from, const Explain& explain);

  const Implementations& implementations_;
  Target target_;
  bool json_;
  /// Standard output has the beginning of a document: an error must not follow it there.
  bool begun_ = false;
  Console console_;
  std::unique_ptr<Caller> caller_;
};

}  // namespace flint::cli
