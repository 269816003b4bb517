#pragma once

#include <string>
#include <vector>

#include "cli/json.h"
#include "cli/text.h"

/// What the texts of several answers consist of.
namespace flint::cli {

[[nodiscard]] std::string quoted(const json::value& text);
/// wait_text(), or "-" for what is no number.
[[nodiscard]] std::string wait_of(const json::value& millis);
[[nodiscard]] bool is_true(const json::value& value);

struct Fact {
  std::string name;
  std::string value;
};

/// Names and values, aligned.
[[nodiscard]] std::string fact_lines(const std::vector<Fact>& facts);

/// `wait` is "-" where the limit is in mode block.
[[nodiscard]] std::string retry_sentence(const std::string& wait);

[[nodiscard]] Table decision_table();
void add_decision(Table& table, const json::value& decision);

}  // namespace flint::cli
