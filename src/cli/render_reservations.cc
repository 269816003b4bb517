#include "cli/render_reservations.h"

#include <string>
#include <vector>

#include "cli/render.h"
#include "cli/render_parts.h"

namespace flint::cli {

Shown render_charge(const json::value& decision, const json::object& /*asked*/, const Style& style) {
  const std::string what = shown(member(decision, "cost")) + " to " + quoted(member(decision, "key")) + "; " +
                           shown(member(decision, "remaining")) + " of " + shown(member(decision, "limit")) +
                           " remaining, full again in " + wait_of(member(decision, "reset_after_ms")) + ".\n";
  const bool fitted = is_true(member(decision, "allowed"));
  return {style.green("Charged") + ": " + what + (fitted ? "" : "It did not fit, and was charged all the same.\n")};
}

Shown render_reserve(const json::value& result, const json::object& asked, const Style& style) {
  Shown shown_result = render_check_all(result, asked, style);
  if (shown_result.exit != Exit::kDone) return shown_result;
  shown_result.text += "Reservation " + style.bold(shown(member(result, "reservation"))) + ", held until " +
                       shown(member(result, "expires_at")) + ".\n";
  return shown_result;
}

Shown render_settlement(const json::value& answer, const json::object& asked, const Style& style) {
  Table table({{"KEY"},
               {"CHARGED", Table::Align::kRight},
               {"REMAINING", Table::Align::kRight},
               {"LIMIT", Table::Align::kRight}});
  std::string beyond;
  for (const json::value& decision : elements(member(answer, "results"))) {
    table.add({shown(member(decision, "key")), shown(member(decision, "cost")), shown(member(decision, "remaining")),
               shown(member(decision, "limit"))});
    if (is_true(member(decision, "allowed"))) continue;
    beyond += "What " + quoted(member(decision, "key")) +
              " cost beyond its reserved units did not fit, and was charged "
              "all the same.\n";
  }
  return {table.text(style) + beyond + "Reservation " + shown(member(asked, "reservation")) + " is settled.\n"};
}

Shown render_reservation(const json::value& status, const json::object& /*asked*/, const Style& style) {
  std::vector<Fact> facts = {{"state", shown(member(status, "state"))},
                             {"reserved at", shown(member(status, "reserved_at"))},
                             {"expires at", shown(member(status, "expires_at"))},
                             {"on expiry", shown(member(status, "on_expiry"))},
                             {"settled at", shown(member(status, "settled_at"))}};
  for (const json::value& item : elements(member(status, "items"))) {
    facts.push_back({"holds", shown(member(item, "cost")) + " of " + quoted(member(item, "key"))});
  }
  return {style.bold(shown(member(status, "reservation"))) + "\n" + fact_lines(facts)};
}

}  // namespace flint::cli
