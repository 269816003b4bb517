#include "flint_limiter.h"

#include <exception>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "c_api/sized.h"
#include "flint/limiter.h"
#include "flint/shared_limiter.h"
#include "flint/version.h"

struct flint_limiter {
  std::variant<std::unique_ptr<flint::Limiter>, std::unique_ptr<flint::SharedLimiter>> any;
};

namespace flint::c_api {
namespace {

using std::chrono::milliseconds;

flint_code number_of(Code code) {
  switch (code) {
    case Code::kOk:
      return FLINT_OK;
    case Code::kInvalidArgument:
      return FLINT_INVALID_ARGUMENT;
    case Code::kLimitNotFound:
      return FLINT_LIMIT_NOT_FOUND;
    case Code::kRequestIdConflict:
      return FLINT_REQUEST_ID_CONFLICT;
    case Code::kDataDirLocked:
      return FLINT_DATA_DIR_LOCKED;
    case Code::kNotFound:
      return FLINT_NOT_FOUND;
    case Code::kPermission:
      return FLINT_PERMISSION;
    case Code::kCorruption:
      return FLINT_CORRUPTION;
    case Code::kUnsupportedFormat:
      return FLINT_UNSUPPORTED_FORMAT;
    case Code::kDiskFull:
      return FLINT_DISK_FULL;
    case Code::kStorageFailed:
      return FLINT_STORAGE_FAILED;
    case Code::kIoError:
      return FLINT_IO_ERROR;
    case Code::kClosed:
      return FLINT_CLOSED;
    case Code::kUnavailable:
      return FLINT_UNAVAILABLE;
    case Code::kConflict:
      return FLINT_CONFLICT;
    case Code::kReservationNotFound:
      return FLINT_RESERVATION_NOT_FOUND;
    case Code::kReservationsFull:
      return FLINT_RESERVATIONS_FULL;
  }
  return FLINT_IO_ERROR;
}

/// Cut where a character of UTF-8 begins.
std::string_view fitting(std::string_view text, std::size_t room) {
  if (text.size() <= room) return text;
  while (room > 0 && (static_cast<unsigned char>(text[room]) & 0xc0U) == 0x80U) --room;
  return text.substr(0, room);
}

flint_code tell(const Status& status, flint_error* error) {
  const flint_code code = number_of(status.code());
  if (error == nullptr) return code;
  flint_error told{.size = sizeof(flint_error), .code = code, .message = {}};
  const std::string_view text = fitting(status.message(), sizeof(told.message) - 1);
  text.copy(told.message, text.size());
  // Too short to be told anything: the code that is returned has to do.
  (void)give(told, error);
  return code;
}

Status misfit(Fit fit, std::string_view what) {
  if (fit == Fit::kGood) return {};
  return {Code::kInvalidArgument,
          std::string(what) + (fit == Fit::kWrongSize ? " has a wrong size: set it to sizeof the structure."
                                                      : " has members that this version of Flint does not "
                                                        "know. Leave them zero, or update Flint.")};
}

template <typename Struct>
Status give_or_say(const Struct& value, Struct* place, std::string_view what) {
  return misfit(give(value, place), what);
}

Status null(std::string_view what) { return {Code::kInvalidArgument, std::string(what) + " must not be null."}; }

/// All that a function does, with what its libraries throw, which is what the machine has too little of.
template <typename Do>
flint_code guarded(flint_error* error, const Do& action) noexcept {
  try {
    return tell(action(), error);
  } catch (const std::exception& refused) {
    try {
      return tell({Code::kIoError, "The system refused what the call needs: " + std::string(refused.what()) + "."},
                  error);
    } catch (...) {
      return FLINT_IO_ERROR;
    }
  } catch (...) {
    return FLINT_IO_ERROR;
  }
}

/// The limiter, whichever it is, as the argument of `action`, which returns a Status.
template <typename Do>
flint_code with(flint_limiter* limiter, const char* key, flint_error* error, const Do& action) noexcept {
  return guarded(error, [&]() -> Status {
    if (limiter == nullptr) return null("limiter");
    if (key == nullptr) return null("key");
    return std::visit([&](const auto& any) -> Status { return action(*any); }, limiter->any);
  });
}

std::string text_of(const char* text) { return text == nullptr ? std::string() : std::string(text); }

bool is_server(std::string_view where) {
  return where.starts_with("http://") || where.starts_with("https://") || where.starts_with("unix:");
}

template <typename Value>
void set_if_given(std::uint64_t given, Value* value) {
  if (given != 0) *value = static_cast<Value>(given);
}

void set_if_given(std::uint64_t given, milliseconds* value) {
  // Above what any option takes, and so refused, not wrapped.
  if (given != 0) *value = milliseconds(static_cast<milliseconds::rep>(std::min<std::uint64_t>(given, INT64_MAX)));
}

Result<std::unique_ptr<Limiter>> open_directory(const char* where, const flint_options& given) {
  Options options;
  options.sync = given.batch != 0 ? SyncMode::kBatch : SyncMode::kAlways;
  options.on_full = given.allow_when_full != 0 ? OnFull::kAllow : OnFull::kDeny;
  set_if_given(given.flush_every_ms, &options.flush_every);
  set_if_given(given.flush_every_events, &options.flush_every_events);
  set_if_given(given.max_unsynced_ms, &options.max_unsynced);
  set_if_given(given.max_keys, &options.max_keys);
  set_if_given(given.lock_timeout_ms, &options.lock_timeout);
  return Limiter::open(where, options);
}

Result<std::unique_ptr<SharedLimiter>> open_server(const char* where, const flint_options& given) {
  SharedOptions options;
  options.token = text_of(given.token);
  options.ca_file = text_of(given.ca_file);
  options.cert_file = text_of(given.cert_file);
  options.key_file = text_of(given.key_file);
  set_if_given(given.timeout_ms, &options.timeout);
  return SharedLimiter::open(where, options);
}

template <typename Opened>
Status keep(Opened opened, flint_limiter** limiter) {
  if (!opened.ok()) return opened.status();
  *limiter = new flint_limiter{std::move(*opened)};
  return {};
}

std::int64_t millis_of(WallTime time) { return std::chrono::floor<milliseconds>(time.time_since_epoch()).count(); }

flint_decision shown(const Decision& decision) {
  return {.size = sizeof(flint_decision),
          .allowed = decision.allowed ? 1 : 0,
          .algorithm = static_cast<std::int32_t>(decision.algorithm),
          .cost = decision.cost,
          .limit = decision.capacity,
          .remaining = decision.remaining,
          .reset_at_ms = millis_of(decision.reset_at),
          .reset_after_ms = decision.reset_after_ms,
          .retry_after_ms = decision.retry_after_ms ? static_cast<std::int64_t>(*decision.retry_after_ms) : -1,
          .keys_full = decision.keys_full ? 1 : 0,
          .would_deny = decision.would_deny ? (*decision.would_deny ? 1 : 0) : -1};
}

Result<CheckOptions> read_options(const flint_check_options* given) {
  flint_check_options options{};
  if (Status status = misfit(take(given, &options), "options"); !status.ok()) return status;
  CheckOptions read{.limit = std::nullopt, .dry_run = options.dry_run != 0, .request_id = {}};
  if (options.request_id != nullptr) {
    read.request_id = options.request_id;
    // An empty text is no name, and not the absence of one.
    if (Status status = validate_request_id(read.request_id); !status.ok()) return status;
  }
  if (options.limit == nullptr) return read;
  Result<Limit> limit = parse_limit(options.limit);
  if (!limit.ok()) return limit.status();
  read.limit = std::move(*limit);
  return read;
}

/// The items of an array, whose stride is the size that its caller knows.
Result<std::vector<flint_item>> read_items(const flint_item* items, std::size_t count) {
  std::vector<flint_item> read;
  if (count == 0) return read;
  if (items == nullptr) return null("items");
  const auto* at = reinterpret_cast<const unsigned char*>(items);
  for (std::size_t i = 0; i < count; ++i, at += items->size) {
    flint_item& item = read.emplace_back();
    const auto* given = reinterpret_cast<const flint_item*>(at);
    if (Status status = misfit(take(given, &item), "an item"); !status.ok()) return status;
    if (given->size != items->size) return misfit(Fit::kWrongSize, "an item");
    if (item.key == nullptr) return null("the key of an item");
  }
  return read;
}

/// `*limits` holds what the items carry, and is as long as `items`.
Result<std::vector<CheckItem>> checks_of(const std::vector<flint_item>& items, std::vector<Limit>* limits) {
  std::vector<CheckItem> checks;
  limits->reserve(items.size());
  for (const flint_item& item : items) {
    checks.push_back({.key = item.key, .cost = item.cost, .limit = nullptr});
    if (item.limit == nullptr) continue;
    Result<Limit> limit = parse_limit(item.limit);
    if (!limit.ok()) return limit.status();
    checks.back().limit = &limits->emplace_back(std::move(*limit));
  }
  return checks;
}

Result<ReserveOptions> read_reserve_options(const flint_reserve_options* given) {
  flint_reserve_options options{};
  if (Status status = misfit(take(given, &options), "options"); !status.ok()) return status;
  const auto most = static_cast<std::uint64_t>(kMaxReservationTtl / milliseconds(1));
  if (options.ttl_ms < 1 || options.ttl_ms > most) {
    return Status::of_field("ttl_ms", "must be from 1 to " + std::to_string(most) + ".");
  }
  ReserveOptions read{.ttl = milliseconds(options.ttl_ms),
                      .on_expiry = options.return_on_expiry != 0 ? OnExpiry::kReturn : OnExpiry::kKeep,
                      .request_id = {}};
  if (options.request_id == nullptr) return read;
  read.request_id = options.request_id;
  if (Status status = validate_request_id(read.request_id); !status.ok()) return status;
  return read;
}

flint_reservation shown(const ReserveResult& result) {
  flint_reservation reservation{.size = sizeof(flint_reservation),
                                .allowed = result.allowed() ? 1 : 0,
                                .denied_item = -1,
                                .retry_after_ms = 0,
                                .expires_at_ms = result.expires_at ? millis_of(*result.expires_at) : 0,
                                .id = {}};
  result.id.copy(reservation.id, sizeof(reservation.id) - 1);
  if (!result.allowed() && !result.decision.results.empty()) {
    reservation.denied_item = static_cast<std::int32_t>(result.decision.results.size()) - 1;
    reservation.retry_after_ms = shown(result.decision.results.back()).retry_after_ms;
  }
  return reservation;
}

}  // namespace
}  // namespace flint::c_api

using namespace flint::c_api;  // NOLINT: what follows is C
using flint::Status;

const char* flint_code_name(flint_code code) {
  for (int i = 0; i <= static_cast<int>(flint::Code::kReservationsFull); ++i) {
    // The names are literals, which end with a zero byte.
    if (number_of(static_cast<flint::Code>(i)) == code) return flint::code_name(static_cast<flint::Code>(i)).data();
  }
  return "unknown";
}

const char* flint_version(void) { return flint::version().data(); }

flint_code flint_open(const char* where, const flint_options* options, flint_limiter** limiter, flint_error* error) {
  return guarded(error, [&]() -> Status {
    if (limiter == nullptr) return null("limiter");
    *limiter = nullptr;
    if (where == nullptr) return null("where");
    flint_options given{};
    if (Status status = misfit(take(options, &given), "options"); !status.ok()) return status;
    return is_server(where) ? keep(open_server(where, given), limiter) : keep(open_directory(where, given), limiter);
  });
}

flint_code flint_close(flint_limiter* limiter, flint_error* error) {
  const std::unique_ptr<flint_limiter> owned(limiter);
  return guarded(error, [&]() -> Status {
    if (owned == nullptr) return {};
    if (auto* directory = std::get_if<std::unique_ptr<flint::Limiter>>(&owned->any)) return (*directory)->close();
    std::get<std::unique_ptr<flint::SharedLimiter>>(owned->any)->close();
    return {};
  });
}

flint_code flint_check(flint_limiter* limiter, const char* key, uint64_t cost, flint_decision* decision,
                       flint_error* error) {
  return flint_check_with(limiter, key, cost, nullptr, decision, error);
}

flint_code flint_check_with(flint_limiter* limiter, const char* key, uint64_t cost, const flint_check_options* options,
                            flint_decision* decision, flint_error* error) {
  return with(limiter, key, error, [&](auto& any) -> Status {
    // Before the check: nothing is consumed whose decision nobody gets.
    if (decision == nullptr) return null("decision");
    if (Status status = give_or_say(flint_decision{}, decision, "decision"); !status.ok()) return status;
    const flint::Result<flint::CheckOptions> read = read_options(options);
    if (!read.ok()) return read.status();
    const flint::Result<flint::Decision> decided = any.check(key, cost, *read);
    return decided.ok() ? give_or_say(shown(*decided), decision, "decision") : decided.status();
  });
}

flint_code flint_charge(flint_limiter* limiter, const char* key, uint64_t cost, const flint_check_options* options,
                        flint_decision* decision, flint_error* error) {
  return with(limiter, key, error, [&](auto& any) -> Status {
    if (decision == nullptr) return null("decision");
    if (Status status = give_or_say(flint_decision{}, decision, "decision"); !status.ok()) return status;
    const flint::Result<flint::CheckOptions> read = read_options(options);
    if (!read.ok()) return read.status();
    if (read->dry_run) return Status::of_field("dry_run", "must be 0: a charge counts what has happened.");
    const flint::Result<flint::Decision> charged =
        any.charge(key, cost, {.limit = read->limit, .request_id = read->request_id});
    return charged.ok() ? give_or_say(shown(*charged), decision, "decision") : charged.status();
  });
}

flint_code flint_reserve(flint_limiter* limiter, const flint_item* items, size_t count,
                         const flint_reserve_options* options, flint_reservation* reservation, flint_error* error) {
  return with(limiter, "", error, [&](auto& any) -> Status {
    if (reservation == nullptr) return null("reservation");
    if (Status status = give_or_say(flint_reservation{}, reservation, "reservation"); !status.ok()) return status;
    if (count > flint::kMaxCheckAllItems) {
      return Status::of_field("count", "must be at most " + std::to_string(flint::kMaxCheckAllItems) + ".");
    }
    const flint::Result<std::vector<flint_item>> read = read_items(items, count);
    if (!read.ok()) return read.status();
    std::vector<flint::Limit> limits;
    const flint::Result<std::vector<flint::CheckItem>> checks = checks_of(*read, &limits);
    if (!checks.ok()) return checks.status();
    const flint::Result<flint::ReserveOptions> how = read_reserve_options(options);
    if (!how.ok()) return how.status();
    const flint::Result<flint::ReserveResult> result = any.reserve(*checks, *how);
    return result.ok() ? give_or_say(shown(*result), reservation, "reservation") : result.status();
  });
}

flint_code flint_commit(flint_limiter* limiter, const char* reservation, const flint_item* costs, size_t count,
                        flint_error* error) {
  return with(limiter, "", error, [&](auto& any) -> Status {
    if (reservation == nullptr) return null("reservation");
    if (count > flint::kMaxCheckAllItems) {
      return Status::of_field("count", "must be at most " + std::to_string(flint::kMaxCheckAllItems) + ".");
    }
    const flint::Result<std::vector<flint_item>> read = read_items(costs, count);
    if (!read.ok()) return read.status();
    std::vector<flint::ActualCost> actual;
    for (const flint_item& item : *read) actual.push_back({.key = item.key, .cost = item.cost});
    return any.commit(reservation, actual).status();
  });
}

flint_code flint_cancel(flint_limiter* limiter, const char* reservation, flint_error* error) {
  return with(limiter, "", error, [&](auto& any) -> Status {
    if (reservation == nullptr) return null("reservation");
    return any.cancel(reservation).status();
  });
}

flint_code flint_limit(flint_limiter* limiter, const char* key, const char* limit, flint_error* error) {
  return with(limiter, key, error, [&](auto& any) -> Status {
    if (limit == nullptr) return null("limit");
    const flint::Result<flint::Limit> parsed = flint::parse_limit(limit);
    return parsed.ok() ? any.limit(key, *parsed) : parsed.status();
  });
}

flint_code flint_status_of(flint_limiter* limiter, const char* key, flint_status* status, flint_error* error) {
  return with(limiter, key, error, [&](auto& any) -> Status {
    if (status == nullptr) return null("status");
    const flint::Result<flint::LimitStatus> found = any.status(key);
    if (!found.ok()) return found.status();
    return give_or_say(flint_status{.size = sizeof(flint_status),
                                    .remaining = found->remaining,
                                    .reset_at_ms = millis_of(found->reset_at),
                                    .total_allowed = found->total_allowed,
                                    .total_denied = found->total_denied,
                                    .total_allowed_cost = found->total_allowed_cost,
                                    .total_denied_cost = found->total_denied_cost},
                       status, "status");
  });
}

flint_code flint_reset(flint_limiter* limiter, const char* key, flint_error* error) {
  return with(limiter, key, error, [&](auto& any) -> Status { return any.reset(key); });
}

flint_code flint_flush(flint_limiter* limiter, flint_error* error) {
  return with(limiter, "", error, [](auto& any) -> Status { return any.flush(); });
}
