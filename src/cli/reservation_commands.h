#pragma once

#include <array>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/render_reservations.h"

/// The commands about charges and reservations, for the grammar.
namespace flint::cli {

inline constexpr std::string_view kReservationExits =
    "0 done, 2 wrong usage or the reservation is not known, 3 storage or connection failed.";

inline constexpr std::array kChargeOptions = std::to_array<OptionSpec>({
    {"--cost", "N", "the units that were used", "", true},
    {"--limit", "LIMIT", "the limit that the charge carries, such as 100/m"},
    {"--request-id", "ID", "names the charge: a repeat with the same ID charges nothing again"},
});

inline constexpr std::array kReserveOptions = std::to_array<OptionSpec>({
    {"--ttl", "TIME", "how long the reservation is held, such as 2m or 1h", "", true},
    {"--on-expiry", "WHAT", "what becomes of the units if nobody settles it: keep (default) or return"},
    {"--request-id", "ID", "names the reservation: a repeat with the same ID reserves nothing again"},
});

inline constexpr std::array kRenewOptions =
    std::to_array<OptionSpec>({{"--ttl", "TIME", "how long it is held from now on, such as 2m", "", true}});

inline constexpr Command kLimitCharge{
    .words = "limit charge",
    .operands = "KEY",
    .min_operands = 1,
    .max_operands = 1,
    .options = kChargeOptions,
    .summary = "Count usage that has happened, also beyond the limit",
    .details =
        "What does not fit is a debt: everything is denied until it is worked off, as usage is.\n"
        "The exit code is 0 also then; \"allowed\" of --json says whether it fitted.\n",
    .example = "  flint limit charge tokens:acme --cost 1800\n",
    .exit_codes = "0 charged, 2 wrong usage or the key has no limit, 3 storage or connection failed.",
    .asks = {"charge", Access::kChange, judge_decision, render_charge},
    .run = ask};

inline constexpr Command kLimitReserve{
    .words = "limit reserve",
    .operands = "ITEM...",
    .min_operands = 1,
    .max_operands = kMaxCheckAllItems,
    .options = kReserveOptions,
    .summary = "Take units now whose real cost is known later",
    .details =
        "Decides as \"limit check-all\" does: an ITEM is KEY or KEY=COST, and all pass or nothing is taken.\n"
        "Prints the ID for \"limit commit\" or \"limit cancel\". If neither comes before the end of --ttl, the\n"
        "units stay used, or are given back with --on-expiry return.\n",
    .example = "  flint limit reserve requests:acme tokens:acme=2000 --ttl 2m\n",
    .exit_codes = "0 reserved, 1 denied, 2 wrong usage or a key has no limit, 3 storage or connection failed.",
    .asks = {"reserve", Access::kChange, judge_reserve, render_reserve},
    .run = limit_reserve};

inline constexpr Command kLimitCommit{
    .words = "limit commit",
    .operands = "ID [KEY=ACTUAL...]",
    .min_operands = 1,
    .max_operands = 1 + kMaxCheckAllItems,
    .options = {},
    .summary = "Settle a reservation at what it really cost",
    .details =
        "A key that is not named cost what was reserved. What was not used is given back, as far as it is still in\n"
        "use; what was used beyond is charged. To commit again changes nothing and answers the same.\n",
    .example = "  flint limit commit 8c1f6a0be3d94f27a5b0c7d1e2f30415 tokens:acme=1730\n",
    .exit_codes = kReservationExits,
    .asks = {"commit", Access::kChange, judge_settlement, render_settlement},
    .run = limit_commit};

inline constexpr Command kLimitCancel{.words = "limit cancel",
                                      .operands = "ID",
                                      .min_operands = 1,
                                      .max_operands = 1,
                                      .options = {},
                                      .summary = "Settle a reservation whose units were not used",
                                      .details = "",
                                      .example = "  flint limit cancel 8c1f6a0be3d94f27a5b0c7d1e2f30415\n",
                                      .exit_codes = kReservationExits,
                                      .asks = {"cancel", Access::kChange, judge_settlement, render_settlement},
                                      .run = ask};

inline constexpr Command kLimitRenew{.words = "limit renew",
                                     .operands = "ID",
                                     .min_operands = 1,
                                     .max_operands = 1,
                                     .options = kRenewOptions,
                                     .summary = "Hold a reservation for longer",
                                     .details = "It then ends --ttl from now. One that has ended cannot be renewed.\n",
                                     .example = "  flint limit renew 8c1f6a0be3d94f27a5b0c7d1e2f30415 --ttl 5m\n",
                                     .exit_codes = kReservationExits,
                                     .asks = {"renew", Access::kChange, judge_reservation, render_reservation},
                                     .run = ask};

inline constexpr Command kLimitReservation{
    .words = "limit reservation",
    .operands = "ID",
    .min_operands = 1,
    .max_operands = 1,
    .options = {},
    .summary = "Show what a reservation holds, and until when",
    .details = "One that was settled or has expired is known for 10 more minutes.\n",
    .example = "  flint limit reservation 8c1f6a0be3d94f27a5b0c7d1e2f30415\n",
    .exit_codes = kReservationExits,
    .asks = {"getReservation", Access::kRead, judge_reservation, render_reservation},
    .run = ask};

}  // namespace flint::cli
