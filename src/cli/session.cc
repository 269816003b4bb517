#include "cli/session.h"

#include <utility>

#include "api/errors.h"
#include "base/journal.h"
#include "cli/exit_codes.h"
#include "cli/requests.h"

namespace flint::cli {
namespace {

// Priorities of syslog(3), for a journal.
constexpr std::string_view kError = "<3>";
constexpr std::string_view kWarning = "<4>";

/// What the API cannot say, since it does not know that a command asks.
std::string_view next_step(int status, const json::value& code) {
  constexpr int kUnauthorized = 401;
  if (code == "limit_not_found") return " Set one with \"flint limit add KEY LIMIT\".";
  if (status == kUnauthorized) return " Give the server's token with --token-file or FLINT_SERVER_TOKEN.";
  return "";
}

}  // namespace

Result<Answer> Session::call(Access access, const Call& call) {
  if (caller_ == nullptr) {
    Result<std::unique_ptr<Caller>> reached =
        reach(target_, access, implementations_.open_directory, implementations_.connect_server);
    if (!reached.ok()) return reached.status();
    caller_ = std::move(*reached);
  }
  return caller_->call(call);
}

Exit Session::ask(const Question& question, const json::object& asked) {
  return ask(question, asked, printing(question, asked));
}

Exit Session::ask(const Question& question, const json::object& asked, const Use& use, const Explain& explain) {
  Result<Answer> answer = call(question.access, request(question.operation, asked));
  return answer.ok() ? judge(*answer, caller_->name(), question, asked, use, explain) : fail(answer.status());
}

Exit Session::print_answer(const Answer& answer, std::string_view from, const Question& question) {
  const json::object nothing;
  return judge(answer, from, question, nothing, printing(question, nothing));
}

/// Nothing of an answer is printed before all of it was judged. Its origin may be another program on the port, or
/// another user's process: a script that reads "allowed" must be able to rely on it.
Exit Session::judge(const Answer& answer, std::string_view from, const Question& question, const json::object& asked,
                    const Use& use, const Explain& explain) {
  if (answer.status != 200) return refuse(answer, from, explain);
  const auto stranger = [&](std::string_view it) {
    return fail({Code::kUnavailable, "The answer of " + std::string(from) + " cannot be trusted: it " +
                                         std::string(it) +
                                         ". Check that --server and FLINT_SERVER name a Flint "
                                         "server."});
  };
  const std::optional<json::value> value = parse_json(answer.body);
  if (!value) return stranger("is not JSON");
  if (const Complaint wrong = question.judge(*value, asked)) return stranger(*wrong);
  return use(*value, answer.body);
}

Session::Use Session::printing(const Question& question, const json::object& asked) {
  return [this, &question, &asked](const json::value& value, std::string_view text) {
    const Shown shown = question.show(value, asked, style());
    print(json_ ? text : shown.text);
    if (json_) print("\n");
    return shown.exit;
  };
}

void Session::print(std::string_view text) {
  begun_ = true;
  console_.out.write(text);
}

void Session::print_aside(std::string_view text) {
  console_.err.write(text);
  console_.err.flush();
}

/// Standard output gets one JSON document or none. A list that fails after its first page leaves a broken one: an error
/// behind it would be read as part of the list.
void Session::print_error(std::string_view document) {
  if (!json_ || begun_) return;
  print(document);
  print("\n");
}

Exit Session::refuse(const Answer& answer, std::string_view from, const Explain& explain) {
  const json::value document = parse_json(answer.body).value_or(json::value());
  const json::value& error = member(document, "error");
  const json::value& code = member(document, "code");
  if (!error.is_string() || !code.is_string()) {
    const std::string advice = client::advice_on_stranger(answer, kOptionNames);
    return fail({Code::kUnavailable, "The answer of " + std::string(from) + " was HTTP " +
                                         std::to_string(answer.status) + " without a Flint error." +
                                         (advice.empty() ? std::string(" Check that --server and FLINT_SERVER name a "
                                                                       "Flint server.")
                                                         : advice)});
  }
  print_error(answer.body);
  const std::string line = explain ? explain(shown(error)) : "";
  if (line.empty()) {
    complain(kError, shown(error) + std::string(next_step(answer.status, code)));
  } else {
    print_aside(line + "\n");
  }
  return exit_of_http(answer.status);
}

Exit Session::fail(const Status& status) {
  print_error(api::failure_response(status).body);
  complain(kError, printable(status.message()));
  return exit_of(status.code());
}

Exit Session::fail(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += (all.empty() ? "" : "\n") + line;
  print_error(api::failure_response({Code::kInvalidArgument, all}).body);
  for (const std::string& line : lines) print_aside(printable(line) + "\n");
  return Exit::kUsage;
}

void Session::warn(std::string_view sentence) { complain(kWarning, sentence); }

void Session::complain(std::string_view priority, std::string_view sentence) {
  if (base::stderr_is_journal()) console_.err.write(priority);
  console_.err.write("flint: ");
  console_.err.write(sentence);
  console_.err.write("\n");
  console_.err.flush();
}

/// The exit code is decided last: if the directory cannot be closed or the output did not arrive, it is not 0, whatever
/// was printed before.
Exit Session::finish(Exit exit) {
  if (caller_ != nullptr) {
    if (Status status = caller_->finish(); !status.ok()) {
      complain(kError, printable(status.message()));
      exit = Exit::kFailed;
    }
  }
  console_.out.flush();
  if (Status status = console_.out.status(); !status.ok()) {
    complain(kError, status.message());
    exit = Exit::kFailed;
  }
  return exit;
}

}  // namespace flint::cli
