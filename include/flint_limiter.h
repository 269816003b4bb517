/* The C interface of Flint, in the shared library flint-limiter-c: for programs in C, and for languages that call C.
 *
 * A limiter is a data directory that this process opens, or a server that several share. All functions may be called
 * from any thread, but for flint_close(), which must be the last call with its limiter.
 *
 * Structures begin with their size, which the caller sets to sizeof the structure: later versions append members, and
 * a library fills or reads no more of a structure than its caller knows. What is left zero in a structure of options is
 * the default. Texts are UTF-8, end with a zero byte, and need not outlive the call.
 *
 * Nothing is thrown, and errno means nothing. Every function that can fail returns a code, and describes a failure in
 * `error`, which may be null.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flint_limiter flint_limiter;

/* A denied check is no failure: see flint_decision. The numbers never change meaning; flint/status.h says more of each.
 */
typedef int32_t flint_code;
enum {
  FLINT_OK = 0,
  FLINT_INVALID_ARGUMENT = 1,
  FLINT_LIMIT_NOT_FOUND = 2,
  FLINT_REQUEST_ID_CONFLICT = 3,
  FLINT_DATA_DIR_LOCKED = 4,
  FLINT_NOT_FOUND = 5,
  FLINT_PERMISSION = 6,
  FLINT_CORRUPTION = 7,
  FLINT_UNSUPPORTED_FORMAT = 8,
  FLINT_DISK_FULL = 9,
  FLINT_STORAGE_FAILED = 10,
  FLINT_IO_ERROR = 11,
  FLINT_CLOSED = 12,
  FLINT_UNAVAILABLE = 13,
  FLINT_CONFLICT = 14,
  FLINT_RESERVATION_NOT_FOUND = 15,
  FLINT_RESERVATIONS_FULL = 16
};

/* `snake_case`, as the `code` of an HTTP error; "unknown" for a number that is no code. Static. */
const char* flint_code_name(flint_code code);

/* Of this library, as in `flint --version`. Static. */
const char* flint_version(void);

typedef struct flint_error {
  size_t size;
  flint_code code;
  /* A sentence for people, cut off where there is no room. */
  char message[1020];
} flint_error;

typedef struct flint_options {
  size_t size;
  /* Of a data directory. */
  /* Not zero: as flint::SyncMode::kBatch; zero: kAlways. */
  int32_t batch;
  int32_t allow_when_full;
  uint64_t flush_every_ms;
  uint64_t flush_every_events;
  uint64_t max_unsynced_ms;
  uint64_t max_keys;
  uint64_t lock_timeout_ms;
  /* Of a server: see flint::SharedOptions. */
  const char* token;
  uint64_t timeout_ms;
  const char* ca_file;
  const char* cert_file;
  const char* key_file;
} flint_options;

/* Opens the data directory `where`, which is created if it does not exist; or the server `where`, if that begins with
 * http://, https:// or unix:. A server is not asked anything yet. `options` may be null. On failure, `*limiter` becomes
 * null. */
flint_code flint_open(const char* where, const flint_options* options, flint_limiter** limiter, flint_error* error);

/* Closes and frees, also when it fails: denials that could not be counted, as after flint::Limiter::close(). Null is
 * FLINT_OK. */
flint_code flint_close(flint_limiter* limiter, flint_error* error);

typedef struct flint_decision {
  size_t size;
  /* 1 or 0. */
  int32_t allowed;
  /* 1 token_bucket, 2 sliding_window_log, 3 fixed_window_counter, 4 sliding_window_counter, 6 concurrency. */
  int32_t algorithm;
  uint64_t cost;
  /* The capacity of the key's limit. */
  uint64_t limit;
  uint64_t remaining;
  /* When the full quota is back, in milliseconds since 1970. */
  int64_t reset_at_ms;
  uint64_t reset_after_ms;
  /* 0 if allowed; else when this cost could pass at the earliest; -1 if no time makes it pass. */
  int64_t retry_after_ms;
  /* 1: no more keys are kept, and `allowed` is what the limiter does then. */
  int32_t keys_full;
  /* -1: the limit is enforced; in mode shadow, whether it would have denied. */
  int32_t would_deny;
} flint_decision;

/* Decides whether `cost` units of `key` may pass now and, if so, consumes them. */
flint_code flint_check(flint_limiter* limiter, const char* key, uint64_t cost, flint_decision* decision,
                       flint_error* error);

typedef struct flint_check_options {
  size_t size;
  /* A limit that the check carries, as a rate string such as "100/m"; null: none. */
  const char* limit;
  /* Names the check, so that it can be sent again; null: it has no name. */
  const char* request_id;
  /* Not zero: says what a check would be told, and consumes nothing. */
  int32_t dry_run;
} flint_check_options;

/* `options` may be null. */
flint_code flint_check_with(flint_limiter* limiter, const char* key, uint64_t cost, const flint_check_options* options,
                            flint_decision* decision, flint_error* error);

/* Counts usage that has happened, also beyond the limit: a debt, during which everything is denied. `allowed` says
 * whether it fitted. `options` may be null; `dry_run` must be 0. */
flint_code flint_charge(flint_limiter* limiter, const char* key, uint64_t cost, const flint_check_options* options,
                        flint_decision* decision, flint_error* error);

/* In an array, all items have the size of the first one. */
typedef struct flint_item {
  size_t size;
  const char* key;
  uint64_t cost;
  /* A limit that it carries, as a rate string; null: none. Of no meaning in flint_commit(). */
  const char* limit;
} flint_item;

typedef struct flint_reserve_options {
  size_t size;
  /* How long the units are held if nobody settles the reservation. At least 1. */
  uint64_t ttl_ms;
  /* Not zero: then they are refunded; zero: then they count as used. */
  int32_t return_on_expiry;
  /* Names the request, so that it can be sent again; null: it has no name. */
  const char* request_id;
} flint_reserve_options;

typedef struct flint_reservation {
  size_t size;
  /* 1 or 0. */
  int32_t allowed;
  /* The place of the item that denied; -1: none. */
  int32_t denied_item;
  /* As in flint_decision, of the item that denied. */
  int64_t retry_after_ms;
  /* In milliseconds since 1970. */
  int64_t expires_at_ms;
  /* Names the reservation; empty if it was denied. */
  char id[40];
} flint_reservation;

/* Decides over all items at once and, if all are allowed, charges them until flint_commit(), flint_cancel() or the end
 * of `ttl_ms`. */
flint_code flint_reserve(flint_limiter* limiter, const flint_item* items, size_t count,
                         const flint_reserve_options* options, flint_reservation* reservation, flint_error* error);

/* Settles a reservation at what it really cost. An item that `costs` does not name cost what was reserved. */
flint_code flint_commit(flint_limiter* limiter, const char* reservation, const flint_item* costs, size_t count,
                        flint_error* error);

/* Settles a reservation at costs of 0. */
flint_code flint_cancel(flint_limiter* limiter, const char* reservation, flint_error* error);

/* Sets the limit of a key or a pattern to a rate string such as "10/s burst 20, 1000/h". */
flint_code flint_limit(flint_limiter* limiter, const char* key, const char* limit, flint_error* error);

typedef struct flint_status {
  size_t size;
  uint64_t remaining;
  int64_t reset_at_ms;
  uint64_t total_allowed;
  uint64_t total_denied;
  uint64_t total_allowed_cost;
  uint64_t total_denied_cost;
} flint_status;

/* What is known of a key, or of a pattern. Changes nothing. */
flint_code flint_status_of(flint_limiter* limiter, const char* key, flint_status* status, flint_error* error);

/* Gives a key its full quota back. */
flint_code flint_reset(flint_limiter* limiter, const char* key, flint_error* error);

/* Returns when everything so far is on stable storage. */
flint_code flint_flush(flint_limiter* limiter, flint_error* error);

#ifdef __cplusplus
}
#endif
