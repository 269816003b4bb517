#include <algorithm>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/requests.h"
#include "cli/server_config.h"
#include "config/config_file.h"
#include "config/limits_text.h"
#include "config/read_file.h"
#include "flint/limit.h"

/// The commands that read and write limits files.
namespace flint::cli {
namespace {

constexpr std::uint64_t kPage = 1'000;

/// One window of a limit, from a status to the arguments of setLimit.
json::object window_of(const json::value& status) {
  json::object fields{{"rate", member(status, "rate")}};
  if (const auto millis = unsigned_of(member(status, "per_millis"))) {
    fields.emplace("per", std::to_string(*millis) + "ms");
    fields.emplace("algorithm", member(status, "algorithm"));
  } else {
    fields.emplace("align", member(status, "align"));
    fields.emplace("timezone", member(status, "timezone"));
  }
  const json::value& burst = member(status, "burst");
  if (!burst.is_null() && burst != member(status, "rate")) fields.emplace("burst", burst);
  return fields;
}

/// What a status says of its limit, as the arguments of setLimit: a rate string where that can say it.
Result<json::object> setting_of(const json::value& status) {
  json::object rule;
  if (const json::array& windows = elements(member(status, "windows")); windows.size() > 1) {
    json::array all;
    for (const json::value& window : windows) all.push_back(window_of(window));
    rule.emplace("windows", std::move(all));
  } else {
    rule = window_of(status);
  }
  json::object setting{{"key", member(status, "key")}};
  json::object spelt_out = setting;
  for (const auto& [name, value] : rule) spelt_out.emplace(name, value);
  const Result<Limit> limit = limit_in(spelt_out);
  if (!limit.ok()) return limit.status();
  const std::string text = format_limit(*limit);
  const Result<Limit> read = parse_limit(text);
  if (read.ok() && *read == *limit) {
    setting.emplace("limit", text);
  } else {
    setting = std::move(spelt_out);
  }
  if (member(status, "override") == true) setting.emplace("override", true);
  const json::value& mode = member(status, "mode");
  if (mode.is_string() && mode != "enforce") setting.emplace("mode", mode);
  return setting;
}

std::string toml_of(const json::value& value) {
  if (value.is_string()) return config::toml_string(std::string_view(value.get_string()));
  if (const json::array* array = value.if_array()) {
    std::string text;
    for (const json::value& element : *array) text += (text.empty() ? "[" : ", ") + toml_of(element);
    return text + "]";
  }
  if (const json::object* object = value.if_object()) {
    std::string text;
    for (const auto& [name, member] : *object) {
      text += (text.empty() ? "{ " : ", ") + std::string(name) + " = " + toml_of(member);
    }
    return text + " }";
  }
  return json::serialize(value);
}

std::string table_of(const json::object& limit) {
  std::string text = "\n[[limits]]\n";
  for (const auto& [name, value] : limit) text += std::string(name) + " = " + toml_of(value) + "\n";
  return text;
}

}  // namespace

Exit limit_apply(Session& session, const Command& command, const Invocation& invocation) {
  const std::string path(*invocation.option("--file"));
  const Result<std::string> text = config::read_file(path);
  if (!text.ok()) return session.fail(text.status());
  const config::ConfigFile read = config::parse_limits(*text, config::file_name(path));
  if (!read.problems.empty()) return session.fail(lines_of(read.problems));

  json::array limits;
  for (const config::FileLimit& limit : read.limits) limits.push_back(json::parse(limit.json));
  json::object asked = {{"limits", std::move(limits)}};
  if (invocation.has("--prune")) asked.emplace("prune", true);
  Question question = command.asks;
  if (invocation.has("--dry-run")) {
    asked.emplace("dry_run", true);
    question.access = Access::kRead;
  }
  return session.ask(
      question, asked,
      [&](const json::value& answer, std::string_view document) {
        session.print(session.json() ? document : question.show(answer, asked, session.style()).text);
        if (session.json()) session.print("\n");
        return Exit::kDone;
      },
      [&](const std::string& sentence) {
        const config::Problem problem = config::problem_of(read.limits, {Code::kInvalidArgument, sentence});
        return problem.file.empty() ? "" : config::describe(problem);
      });
}

/// Page after page, so that a text needs no more memory than a page, however many limits there are.
Exit limit_export(Session& session, const Command& command, const Invocation& invocation) {
  json::object asked;
  if (const auto prefix = invocation.option("--prefix")) asked.emplace("prefix", *prefix);
  asked.emplace("limit", kPage);
  bool first = true;
  for (std::size_t got = kPage; got == kPage && !session.unheard();) {
    const Exit exit = session.ask(command.asks, asked, [&](const json::value& statuses, std::string_view) {
      const json::array& page = elements(statuses);
      got = page.size();
      std::string text;
      for (const json::value& status : page) {
        const Result<json::object> setting = setting_of(status);
        if (!setting.ok()) {
          return session.fail({Code::kUnsupportedFormat,
                               "The limit of " + quote(shown(member(status, "key"))) +
                                   " is not of a kind that this version knows: " + setting.status().message()});
        }
        if (session.json()) {
          text += (first ? "{\"limits\":[" : ",") + json::serialize(*setting);
        } else {
          text += (first ? "# Limits. Apply them with: flint limit apply -f FILE\n" : "") + table_of(*setting);
        }
        first = false;
      }
      session.print(text);
      if (got > 0) asked["after"] = page.back().at("key");
      return Exit::kDone;
    });
    if (exit != Exit::kDone) return exit;
  }
  if (session.json()) session.print(first ? "{\"limits\":[]}\n" : "]}\n");
  return Exit::kDone;
}

}  // namespace flint::cli
