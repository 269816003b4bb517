#pragma once

#include <optional>
#include <string_view>

#include "api/json_document.h"
#include "flint/limit.h"

/// The checks of a key and perhaps a cost, which nearly all are, are read here in a few steps. Nothing is refused here:
/// of anything else, and of anything that is wrong, the answer is nothing, and the strict reader says what it is.
namespace flint::api {

/// The key may still be no valid one.
struct PlainCheck {
  std::string_view key;
  Units cost = 1;
};

/// From the bytes of a body, without a document of its values. Whatever is found here, the strict reader would find
/// too.
[[nodiscard]] std::optional<PlainCheck> scan_plain_check(std::string_view body) noexcept;
/// From a value of a document.
[[nodiscard]] std::optional<PlainCheck> read_plain_check(const JsonDocument& document, const JsonNode& node) noexcept;

}  // namespace flint::api
