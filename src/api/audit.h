#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flint/limit.h"
#include "flint/limiter.h"

/// What an operator's log says of a change. A key stands in quotes and in printable ASCII: other bytes, quotes and
/// backslashes are `\xNN`, so that no key can end the quotes, steer a terminal or look like another key.
namespace flint::api {

/// `limit of "k" set to 100/m`, its mode if it is not enforced, and what the limit was before. Leaves `audit` as it is
/// when that was the same, and is enforced.
void note_limit(std::string& audit, std::string_view key, const std::optional<Limit>& before, const Limit& limit,
                Mode mode);

/// `2 limits applied: "a" set to 100/m; "b" deleted, 5/s`, of the first some; nothing for no change.
void note_changes(std::string& audit, const LimitChanges& changes);

/// `usage of "k" reset`.
void note_reset(std::string& audit, std::string_view key);
/// `before` is none for a key without a limit of its own.
void note_removed(std::string& audit, std::string_view key, const std::optional<Limit>& before);
void note_all_reset(std::string& audit, std::string_view prefix, std::uint64_t count);
void note_all_removed(std::string& audit, std::string_view prefix, std::uint64_t count);

}  // namespace flint::api
