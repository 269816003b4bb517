#pragma once

#include <string>

#include "backend/operation.h"

/// The header fields that tell of a decision: `RateLimit` and `RateLimit-Policy`, as
/// draft-ietf-httpapi-ratelimit-headers-10 defines them, and for a denial `Retry-After`. The name of the limit is
/// `default`; each window of one that has several is a policy of its own, `default-1` and so on.
///
/// Gates send them. The other answers to checks say the same in their JSON: these fields would take 7 % of the
/// instructions of a check.
namespace flint::api {

/// Appends these fields, each with its line end, if `answer` is a decision or one over several keys: then those of the
/// key that denied, else of the one with the least remaining, so that their length does not grow with the keys.
///
/// Times are in seconds, rounded up. Nothing of a key that is blocked, since there is no time to name, and nothing of a
/// limit in mode shadow, since a client need not keep to it. If there was no room for the key, nothing says what is
/// left.
void append_decision_fields(std::string& out, const backend::Answer& answer);

}  // namespace flint::api
