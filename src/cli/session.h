#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/caller.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/target.h"
#include "cli/text.h"
#include "flint/doctor.h"
#include "server/server.h"

namespace flint::cli {

/// What a command works on. main() is the one place that picks them.
struct Implementations {
  OpenDirectory open_directory;
  ConnectServer connect_server;
  std::function<Result<DoctorReport>(std::string_view data_dir)> inspect;
  std::function<Result<DoctorReport>(std::string_view data_dir)> repair;
  std::function<Status(const server::ServerOptions& options)> run_server;
  Environment environment;
};

/// An answer for a person, and the exit code that goes with it.
struct Shown {
  std::string text;
  Exit exit = Exit::kDone;
};
using Show = std::function<Shown(const json::value& answer)>;

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

  /// Calls the API and prints its answer.
  Exit ask(Access access, const Call& call, const Show& show);
  /// Prints the answer as it comes, whatever its length. For --json.
  Exit relay(Access access, Call call);
  /// Prints an answer that was made without a Caller.
  Exit print_answer(const Answer& answer, const Show& show);
  void print(std::string_view text) { console_.out.write(text); }
  void warn(std::string_view sentence);
  Exit fail(const Status& status);

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
  Exit refuse(const Answer& answer);

  const Implementations& implementations_;
  Target target_;
  bool json_;
  Console console_;
  std::unique_ptr<Caller> caller_;
};

}  // namespace flint::cli
