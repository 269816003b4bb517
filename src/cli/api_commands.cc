#include <algorithm>
#include <string>
#include <utility>

#include "api/json_document.h"
#include "api/operations.h"
#include "api/requests.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "flint/limit.h"

namespace flint::cli {
namespace {

/// Statuses in one table of `limit list`.
constexpr std::size_t kPage = 1'000;

/// What an invocation asks an operation: its operand is the key, and an option the argument of the same name.
Result<json::object> arguments_of(const Command& command, const Invocation& invocation) {
  json::object arguments;
  if (command.operands == "KEY") arguments.emplace("key", invocation.operands.front());
  // The API would say the same, but an empty key cannot stand in a path.
  if (api::operation(command.asks.operation).takes_key()) {
    if (Status status = validate_key(invocation.operands.front()); !status.ok()) return status;
  }
  for (const OptionSpec& option : command.options) {
    const auto text = invocation.option(option.name);
    if (!text) continue;
    const std::string_view name = option.name.substr(2);
    if (option.value != "N") {
      arguments.emplace(name, *text);
      continue;
    }
    const Result<std::uint64_t> number = parse_integer(option.name, *text);
    if (!number.ok()) return number.status();
    arguments.emplace(name, *number);
  }
  return arguments;
}

/// What the API would refuse, before a data directory is created for it.
Status check_limit(const json::object& asked) {
  const std::string body = json::serialize(asked);
  api::JsonDocument document;
  if (Status status = document.parse(body); !status.ok()) return status;
  Result<api::LimitRequest> request = api::read_limit(document);
  if (!request.ok()) return request.status();
  if (Status status = validate_key(request->key); !status.ok()) return status;
  return validate_limit(request->limit);
}

/// Prints one page of a list: as a table, or as the elements of the one array that --json is.
void print_page(Session& session, const Question& question, const json::value& statuses, std::string_view text,
                bool first) {
  const bool empty = elements(statuses).empty();
  if (session.json()) {
    const std::size_t begin = text.find('[') + 1;
    if (first || !empty) session.print(first ? "[" : ",");
    session.print(text.substr(begin, text.rfind(']') - begin));
  } else if (!empty) {
    session.print(question.show(statuses, {}, session.style()).text);
  } else if (first) {
    session.print("No limits. Set one with: flint limit add KEY --rate 100 --per 1m\n");
  }
}

/// Page after page, so that memory and the time to the first line do not depend on the number of limits, and that each
/// page is judged before anything of it is printed.
Exit list_in_pages(Session& session, const Question& question, json::object asked) {
  const std::uint64_t wanted = unsigned_of(member(asked, "limit")).value_or(UINT64_MAX);
  for (std::uint64_t seen = 0;;) {
    const std::uint64_t page = std::min<std::uint64_t>(kPage, wanted - seen);
    asked["limit"] = page;
    std::size_t got = 0;
    std::string last;
    const Exit exit = session.ask(question, asked, [&](const json::value& statuses, std::string_view text) {
      print_page(session, question, statuses, text, seen == 0);
      const json::array& rows = elements(statuses);
      got = rows.size();
      if (got > 0) last = rows.back().at("key").as_string();
      return Exit::kDone;
    });
    if (exit != Exit::kDone) return exit;
    asked["after"] = last;
    seen += got;
    if (got < page || seen >= wanted || session.unheard()) break;
  }
  if (session.json()) session.print("]\n");
  return Exit::kDone;
}

}  // namespace

Exit ask(Session& session, const Command& command, const Invocation& invocation) {
  const Result<json::object> asked = arguments_of(command, invocation);
  return asked.ok() ? session.ask(command.asks, *asked) : session.fail(asked.status());
}

Exit limit_add(Session& session, const Command& command, const Invocation& invocation) {
  const Result<json::object> asked = arguments_of(command, invocation);
  if (!asked.ok()) return session.fail(asked.status());
  if (Status status = check_limit(*asked); !status.ok()) return session.fail(status);
  return session.ask(command.asks, *asked);
}

Exit limit_check_all(Session& session, const Command& command, const Invocation& invocation) {
  json::array items;
  for (const std::string& operand : invocation.operands) {
    const Result<Item> item = parse_item(operand);
    if (!item.ok()) return session.fail(item.status());
    items.push_back(json::object{{"key", item->key}, {"cost", item->cost}});
  }
  return session.ask(command.asks, {{"items", std::move(items)}});
}

Exit limit_list(Session& session, const Command& command, const Invocation& invocation) {
  Result<json::object> asked = arguments_of(command, invocation);
  return asked.ok() ? list_in_pages(session, command.asks, *std::move(asked)) : session.fail(asked.status());
}

}  // namespace flint::cli
