#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flint/acquire.h"
#include "flint/decision.h"
#include "flint/limiter.h"
#include "flint/reservation.h"
#include "flint/status.h"

namespace flint {

struct SharedOptions {
  /// The server's token; empty: none is sent. A Unix socket gets it only after asking for one.
  std::string token = {};
  /// For each connect and for each answer. 1 ms to a day.
  std::chrono::milliseconds timeout{10'000};
  /// With `https://`: certificates in PEM form of those who may have issued the server's; empty: those that the system
  /// trusts.
  std::string ca_file = {};
  /// With `https://`: a certificate of this client and its key, in PEM form, for a proxy that asks for one. An empty
  /// `key_file` means that the key is in `cert_file`.
  std::string cert_file = {};
  std::string key_file = {};
  /// Connections that are kept open for the next calls. More are open while more threads call at once.
  std::size_t max_idle_connections = 8;
};

/// The limits of a Flint server, which other processes share: the methods of Limiter, asked over HTTP. In the library
/// flint::client.
///
/// Threads: any thread may call any method at any time; each call uses a connection of its own.
/// Fork: the child may use it. It makes connections of its own.
/// Failures: as Limiter's, with the server's sentence, and also kUnavailable (there was no answer, or one that is no
/// Flint server's) and kPermission (the token is missing, wrong or may not do this; or another user's process listens
/// at the Unix socket).
/// Retries: a call whose connection broke is sent again, once, if the server cannot have got it, or if it consumes
/// nothing twice: reads, dry runs, checks with a request id, settlements, and what else has the same effect when it is
/// done again. After
/// any other failure with kUnavailable, whether the server did what was asked is unknown; the message says so.
class SharedLimiter {
 public:
  /// `server` is `http://HOST[:PORT]`, `https://HOST[:PORT]`, either with a path where a proxy has the server, or
  /// `unix:PATH`. Asks nothing of the server, which may start later. Fails with kInvalidArgument.
  static Result<std::unique_ptr<SharedLimiter>> open(std::string_view server, const SharedOptions& options = {});

  ~SharedLimiter();
  SharedLimiter(const SharedLimiter&) = delete;
  SharedLimiter& operator=(const SharedLimiter&) = delete;

  // As Limiter's methods of these names.

  Status limit(std::string_view key, const Limit& limit, const LimitOptions& options = {});
  Result<Decision> check(std::string_view key, Units cost = 1);
  Result<Decision> check(std::string_view key, Units cost, const CheckOptions& options);
  Result<CheckAllResult> check_all(std::span<const CheckItem> items, const CheckAllOptions& options = {});
  Result<std::vector<Result<Decision>>> check_batch(std::span<const BatchCheck> checks);
  Result<Decision> charge(std::string_view key, Units cost, const ChargeOptions& options = {});
  Result<ReserveResult> reserve(std::span<const CheckItem> items, const ReserveOptions& options);
  Result<Settlement> commit(std::string_view reservation, std::span<const ActualCost> costs = {});
  Result<Settlement> cancel(std::string_view reservation);
  Result<ReservationStatus> renew(std::string_view reservation, Nanos ttl);
  [[nodiscard]] Result<ReservationStatus> reservation(std::string_view reservation);
  [[nodiscard]] Result<LimitStatus> status(std::string_view key);
  /// In several requests: the list does not show one instant.
  [[nodiscard]] Result<std::vector<LimitStatus>> list(const ListQuery& query = {});
  Status reset(std::string_view key);
  Result<std::uint64_t> reset_prefix(std::string_view prefix);
  Status remove(std::string_view key);
  Result<std::uint64_t> remove_prefix(std::string_view prefix);
  /// `limit` is at most 10,000, here and in top().
  [[nodiscard]] Result<std::vector<Event>> history(std::string_view key, std::size_t limit = 100);
  [[nodiscard]] Result<std::vector<LimitStatus>> top(TopBy by, std::size_t limit = 20);
  Status compact();
  Status flush();
  /// Ok, or the reason why the server accepts no changes or cannot be asked.
  [[nodiscard]] Status health();

  /// Ends the connections that are kept open. Calls made afterwards fail with kClosed.
  void close();

 private:
  class Impl;
  explicit SharedLimiter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flint
