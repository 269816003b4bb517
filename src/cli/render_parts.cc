#include "cli/render_parts.h"

#include <algorithm>

namespace flint::cli {

std::string quoted(const json::value& text) { return "\"" + shown(text) + "\""; }

std::string wait_of(const json::value& millis) {
  const auto known = unsigned_of(millis);
  return known ? wait_text(*known) : "-";
}

bool is_true(const json::value& value) { return value.is_bool() && value.get_bool(); }

std::string fact_lines(const std::vector<Fact>& facts) {
  std::size_t width = 0;
  for (const Fact& fact : facts) width = std::max(width, display_width(fact.name));
  std::string text;
  for (const Fact& fact : facts) {
    text += fact.name + std::string(width + 2 - display_width(fact.name), ' ') + fact.value + "\n";
  }
  return text;
}

std::string retry_sentence(const std::string& wait) {
  return wait == "-" ? "It is blocked, and no time makes it pass.\n" : "Try again in " + wait + ".\n";
}

Table decision_table() {
  return Table({{"KEY"},
                {"DECISION"},
                {"COST", Table::Align::kRight},
                {"REMAINING", Table::Align::kRight},
                {"LIMIT", Table::Align::kRight},
                {"RETRY IN", Table::Align::kRight}});
}

void add_decision(Table& table, const json::value& decision) {
  const bool passed = is_true(member(decision, "allowed"));
  const bool would_deny = is_true(member(decision, "would_deny"));
  table.add({shown(member(decision, "key")),
             would_deny ? "would deny"
             : passed   ? "allowed"
                        : "denied",
             shown(member(decision, "cost")), shown(member(decision, "remaining")), shown(member(decision, "limit")),
             passed ? "-" : wait_of(member(decision, "retry_after_ms"))});
}

}  // namespace flint::cli
