#include <algorithm>
#include <string>
#include <utility>

#include "api/operations.h"
#include "api/requests.h"
#include "base/invalid.h"
#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/requests.h"
#include "flint/limit.h"

namespace flint::cli {
namespace {

/// Statuses in one table of `limit list`.
constexpr std::size_t kPage = 1'000;

std::string see_help(const Command& command) {
  return " Run \"flint " + std::string(command.words) + " --help\" to see what it takes.";
}

/// The command has no operand, and no option of its own but this one.
bool is_alone(std::string_view name, const Command& command, const Invocation& invocation) {
  return invocation.operands.empty() &&
         std::none_of(command.options.begin(), command.options.end(),
                      [&](const OptionSpec& option) { return option.name != name && invocation.has(option.name); });
}

/// What an invocation asks an operation: its operand is the key or the reservation, and an option the argument of the
/// same name.
Result<json::object> arguments_of(const Command& command, const Invocation& invocation) {
  const api::OperationRow& row = api::operation(command.asks.operation);
  json::object arguments;
  if (command.operands.starts_with("KEY")) arguments.emplace("key", invocation.operands.front());
  if (command.operands.starts_with("ID")) {
    arguments.emplace(row.takes_id() ? "id" : "reservation", invocation.operands.front());
  }
  // The API would say the same, but an empty key or id cannot stand in a path.
  if (row.takes_key()) {
    if (Status status = validate_key(invocation.operands.front()); !status.ok()) return status;
  }
  if (row.takes_id()) {
    if (Status status = api::check_reservation_id(invocation.operands.front()); !status.ok()) return status;
  }
  for (const OptionSpec& option : command.options) {
    const auto text = invocation.option(option.name);
    if (!text) continue;
    std::string name(option.name.substr(2));
    std::replace(name.begin(), name.end(), '-', '_');
    if (option.value != "N") {
      arguments.emplace(name, option.value.empty() ? json::value(true) : json::value(*text));
      continue;
    }
    const Result<std::uint64_t> number = parse_integer(option.name, *text);
    if (!number.ok()) return number.status();
    arguments.emplace(name, *number);
  }
  return arguments;
}

/// What is wrong with the form of a limit, in the words of the command line. That a rate string and other options are
/// given together is the API's to refuse.
Status check_forms(const Invocation& invocation) {
  const bool has_words = invocation.operands.size() > 1;
  const bool has_option = invocation.has("--limit");
  const bool has_rate = invocation.has("--rate");
  const bool has_per = invocation.has("--per");
  const bool has_align = invocation.has("--align");
  std::string problem;
  if (has_words && has_option) {
    problem = "The limit is given twice: " + quote_given(invocation.operands[1]) + " and --limit. Give it once.";
  } else if (has_words || has_option || (has_rate && (has_per || has_align))) {
    return {};
  } else if (has_rate || has_per || has_align) {
    problem = has_rate    ? "--rate needs --per TIME or --align UNIT as well."
              : has_align ? "--align needs --rate N as well."
                          : "--per needs --rate N as well.";
  } else {
    problem = "The limit is missing: write it after the key, such as 100/m.";
  }
  return base::invalid(problem + " Run \"flint limit add --help\" to see what it takes.");
}

/// The operands as objects with a key and a cost.
Result<json::array> items_of(const Invocation& invocation) {
  json::array items;
  for (const std::string& operand : invocation.operands) {
    const Result<Item> item = parse_item(operand);
    if (!item.ok()) return item.status();
    items.push_back(json::object{{"key", item->key}, {"cost", item->cost}});
  }
  return items;
}

/// The command's question about one key, or `all` about a prefix: whichever is given.
Exit ask_one_or_all(Session& session, const Command& command, const Question& all, const Invocation& invocation) {
  const auto prefix = invocation.option("--prefix");
  if (invocation.operands.empty() != prefix.has_value()) {
    return session.fail(base::invalid("Give either a KEY or --prefix P. Run \"flint " + std::string(command.words) +
                                      " --help\" to see what it takes."));
  }
  if (prefix) return session.ask(all, {{"prefix", *prefix}});
  if (Status status = validate_key(invocation.operands.front()); !status.ok()) return session.fail(status);
  return session.ask(command.asks, {{"key", invocation.operands.front()}});
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
    session.print("No limits. Set one with: flint limit add KEY 100/m\n");
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
  const std::string see = see_help(command);
  if (const auto from = invocation.option("--from")) {
    if (!is_alone("--from", command, invocation)) {
      return session.fail(base::invalid("--from takes the place of KEY, LIMIT and other options." + see));
    }
    return limit_add_from(session, std::string(*from));
  }
  if (invocation.operands.empty()) return session.fail(base::invalid("\"flint limit add\" needs KEY [LIMIT]." + see));
  if (Status status = check_forms(invocation); !status.ok()) return session.fail(status);
  Result<json::object> asked = arguments_of(command, invocation);
  if (!asked.ok()) return session.fail(asked.status());
  // A rate string may be several words.
  std::string words;
  for (std::size_t i = 1; i < invocation.operands.size(); ++i) words += (i == 1 ? "" : " ") + invocation.operands[i];
  if (invocation.operands.size() > 1) asked->emplace("limit", words);
  // What the API would refuse is refused before a data directory is created for it.
  const Result<Limit> limit = limit_in(*asked);
  return limit.ok() ? session.ask(command.asks, *asked) : session.fail(limit.status());
}

Exit limit_check_all(Session& session, const Command& command, const Invocation& invocation) {
  Result<json::array> items = items_of(invocation);
  if (!items.ok()) return session.fail(items.status());
  json::object asked = {{"items", *std::move(items)}};
  if (invocation.has("--dry-run")) asked.emplace("dry_run", true);
  if (const auto id = invocation.option("--request-id")) asked.emplace("request_id", *id);
  return session.ask(command.asks, asked);
}

Exit limit_reserve(Session& session, const Command& command, const Invocation& invocation) {
  Result<json::array> items = items_of(invocation);
  if (!items.ok()) return session.fail(items.status());
  Result<json::object> asked = arguments_of(command, invocation);
  if (!asked.ok()) return session.fail(asked.status());
  asked->emplace("items", *std::move(items));
  return session.ask(command.asks, *asked);
}

Exit limit_commit(Session& session, const Command& command, const Invocation& invocation) {
  json::object costs;
  for (std::size_t i = 1; i < invocation.operands.size(); ++i) {
    const std::string& operand = invocation.operands[i];
    const Result<Item> item = parse_item(operand);
    if (!item.ok()) return session.fail(item.status());
    std::string problem;
    if (!item->has_cost) problem = quote_given(operand) + " says no cost: write KEY=ACTUAL.";
    if (!costs.emplace(item->key, item->cost).second) problem = quote_given(item->key) + " is given twice.";
    if (!problem.empty()) return session.fail(base::invalid(problem));
  }
  json::object asked = {{"reservation", invocation.operands.front()}};
  if (!costs.empty()) asked.emplace("costs", std::move(costs));
  return session.ask(command.asks, asked);
}

Exit limit_check_batch(Session& session, const Command& command, const Invocation& invocation) {
  if (const auto from = invocation.option("--from")) {
    if (!is_alone("--from", command, invocation)) {
      return session.fail(base::invalid("--from takes the place of ITEM and other options." + see_help(command)));
    }
    return limit_check_from(session, std::string(*from));
  }
  if (invocation.operands.empty()) {
    return session.fail(base::invalid("\"flint limit check-batch\" needs ITEM..." + see_help(command)));
  }
  Result<json::array> checks = items_of(invocation);
  if (!checks.ok()) return session.fail(checks.status());
  const auto limit = invocation.option("--limit");
  if (limit) {
    if (const Result<Limit> valid = parse_limit(*limit); !valid.ok()) return session.fail(valid.status());
  }
  for (json::value& check : *checks) {
    if (limit) check.as_object().emplace("limit", *limit);
    if (invocation.has("--dry-run")) check.as_object().emplace("dry_run", true);
  }
  return session.ask(command.asks, {{"checks", *std::move(checks)}});
}

Exit limit_reset(Session& session, const Command& command, const Invocation& invocation) {
  static constexpr Question kAll{"resetPrefix", Access::kChange, judge_reset_count, render_reset_count};
  return ask_one_or_all(session, command, kAll, invocation);
}

Exit limit_delete(Session& session, const Command& command, const Invocation& invocation) {
  static constexpr Question kAll{"deleteLimits", Access::kChange, judge_deleted_count, render_deleted_count};
  return ask_one_or_all(session, command, kAll, invocation);
}

Exit limit_list(Session& session, const Command& command, const Invocation& invocation) {
  Result<json::object> asked = arguments_of(command, invocation);
  return asked.ok() ? list_in_pages(session, command.asks, *std::move(asked)) : session.fail(asked.status());
}

}  // namespace flint::cli
