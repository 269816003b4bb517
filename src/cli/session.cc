#include "cli/session.h"

#include <utility>

#include "cli/exit_codes.h"

namespace flint::cli {
namespace {

/// What the API cannot say, since it does not know that a command asks.
std::string_view next_step(int status, const json::value& code) {
  constexpr int kUnauthorized = 401;
  if (code == "limit_not_found") return " Set one with \"flint limit add KEY --rate N --per TIME\".";
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

Exit Session::ask(Access access, const Call& call, const Show& show) {
  Result<Answer> answer = this->call(access, call);
  return answer.ok() ? print_answer(*answer, show) : fail(answer.status());
}

Exit Session::relay(Access access, Call call) {
  bool begun = false;
  call.on_piece = [&](std::string_view piece) {
    begun = true;
    print(piece);
    return !unheard();
  };
  Result<Answer> answer = this->call(access, call);
  if (!answer.ok()) {
    if (!begun) return fail(answer.status());
    warn(printable(answer.status().message()));
    return exit_of(answer.code());
  }
  if (answer->status != 200) return refuse(*answer);
  print("\n");
  return Exit::kDone;
}

Exit Session::print_answer(const Answer& answer, const Show& show) {
  if (answer.status != 200) return refuse(answer);
  Result<json::value> value = parse_json(answer.body);
  if (!value.ok()) return fail(value.status());
  const Shown shown = show(*value);
  if (json_) {
    print(answer.body);
    print("\n");
  } else {
    print(shown.text);
  }
  return shown.exit;
}

Exit Session::refuse(const Answer& answer) {
  Result<json::value> value = parse_json(answer.body);
  const json::value error = value.ok() ? member(*value, "error") : json::value();
  if (!error.is_string()) {
    return fail({Code::kUnavailable, "The answer was HTTP " + std::to_string(answer.status) +
                                         " without an error of Flint's. Check that --server and FLINT_SERVER name a "
                                         "Flint server."});
  }
  if (json_) {
    print(answer.body);
    print("\n");
  }
  warn(shown(error) + std::string(next_step(answer.status, member(*value, "code"))));
  return exit_of_http(answer.status);
}

Exit Session::fail(const Status& status) {
  if (json_) {
    print(api::failure_response(status).body);
    print("\n");
  }
  warn(printable(status.message()));
  return exit_of(status.code());
}

void Session::warn(std::string_view sentence) {
  console_.err.write("flint: ");
  console_.err.write(sentence);
  console_.err.write("\n");
  console_.err.flush();
}

Exit Session::finish(Exit exit) {
  if (caller_ != nullptr) {
    if (Status status = caller_->finish(); !status.ok()) {
      warn(printable(status.message()));
      exit = Exit::kFailed;
    }
  }
  console_.out.flush();
  if (Status status = console_.out.status(); !status.ok()) {
    warn(status.message());
    exit = Exit::kFailed;
  }
  return exit;
}

}  // namespace flint::cli
