#include "api/service.h"

#include <algorithm>
#include <future>
#include <memory>
#include <utility>
#include <variant>

#include "api/answers.h"
#include "api/audit.h"
#include "api/errors.h"
#include "api/operations.h"
#include "api/requests.h"
#include "api/url.h"
#include "base/assert.h"

namespace flint::api {
namespace {

/// About 100 KiB of statuses.
constexpr std::size_t kStatusesAPage = 256;
constexpr std::size_t kUsualBytes = 320;

/// What a method and a path lead to.
struct Match {
  /// Null when the path is unknown, or has no such method.
  const OperationRow* operation = nullptr;
  bool has_get = false;
  bool has_post = false;
  bool has_delete = false;
};

/// A linear scan: there are a dozen rows, the most frequent first, and a check is the first one. A path is compared
/// with every row so that 405 can name the methods that it accepts.
Match find_operation(Method method, std::string_view path) {
  Match match;
  for (const OperationRow& row : operations()) {
    if (!row.matches(path)) continue;
    match.has_get |= row.method == Method::kGet;
    match.has_post |= row.method == Method::kPost;
    match.has_delete |= row.method == Method::kDelete;
    if (row.method != method) continue;
    match.operation = &row;
    break;
  }
  return match;
}

Response refusal(const Match& match, std::string_view path) {
  if (!is_percent_encoded(path)) {
    return error_response(400, "invalid_argument", "The path contains a '%' without two hexadecimal digits after it.");
  }
  if (!match.has_get && !match.has_post && !match.has_delete) {
    return error_response(404, "unknown_path", "There is nothing at this path. The API's paths begin with /v1/.");
  }
  Response response = error_response(405, "method_not_allowed", "This path does not accept this method.");
  const auto add = [&](bool takes, std::string_view method) {
    if (takes) response.fields.append(response.fields.empty() ? "Allow: " : ", ").append(method);
  };
  add(match.has_get, "GET, HEAD");
  add(match.has_post, "POST");
  add(match.has_delete, "DELETE");
  response.fields += "\r\n";
  return response;
}

/// Whether the key at the end of a path is the name of a pattern.
bool names_pattern(std::string_view path) {
  return path.ends_with('*') || path.ends_with("%2A") || path.ends_with("%2a");
}

// Arguments that an operation does not take are refused: if they were ignored, a misplaced one would seem to work.

Status read_query(const OperationRow& row, Reading& reading) {
  if (reading.request.query.empty()) return {};
  std::vector<std::string_view> names;
  for (const Argument& argument : row.arguments) {
    if (argument.in == Argument::In::kQuery) names.push_back(argument.name);
  }
  Result<Query> query = Query::parse(reading.request.query, names);
  if (query.ok()) reading.query = std::move(*query);
  return query.status();
}

Status read_key(const OperationRow& row, Reading& reading) {
  if (!row.takes_key() && !row.takes_id()) return {};
  std::optional<std::string> key = percent_decode(reading.request.path.substr(row.fixed_path().size()));
  if (!key) return {Code::kInvalidArgument, "The key contains a '%' without two hexadecimal digits after it."};
  reading.key = *std::move(key);
  return row.takes_key() ? validate_key(reading.key) : Status();
}

/// The response in place of asking the backend, if there is nothing to ask.
std::optional<Response> read(const Service::Route& route, Reading& reading) {
  const OperationRow& row = *route.operation;
  if (row.read_plain != nullptr && reading.request.query.empty() && row.read_plain(reading)) return std::nullopt;
  // One per thread, so that its memory is reused. The operation that refers to it is submitted before the next request
  // is read.
  static thread_local JsonDocument document;
  if (row.takes_body() || !reading.request.body.empty()) {
    const Status parsed = document.parse(reading.request.body, "The body", row.most_json_values);
    if (!parsed.ok()) return error_response(400, "invalid_json", parsed.message());
    reading.body = &document;
  }
  if (Status status = read_query(row, reading); !status.ok()) return failure_response(status);
  // Nothing, or an object without members, which some clients always send.
  if (!row.takes_body() && reading.body != nullptr) {
    if (Status status = read_nothing(document); !status.ok()) return failure_response(status);
  }
  if (Status status = read_key(row, reading); !status.ok()) return failure_response(status);
  if (row.read == nullptr) {
    Response response;
    row.write(response.body);
    return response;
  }
  if (Status status = row.read(reading); !status.ok()) return failure_response(status);
  if (route.refuses_limits && !reading.limits.empty()) {
    return limit_refused();
  }
  return std::nullopt;
}

/// Writes an answer as JSON, by its type.
struct WriteAnswer {
  JsonWriter& json;

  template <base::MemberName kName>
  void write_count(std::uint64_t count) const {
    json.begin_object();
    json.member<kName>(count);
    json.end_object();
  }

  template <typename T>
  void operator()(const T& answer) const {
    write(json, answer);
  }
  template <typename T>
  void operator()(const std::vector<T>& answers) const {
    json.begin_array();
    for (const T& answer : answers) write(json, answer);
    json.end_array();
  }
  void operator()(const backend::BatchResult& results) const { write(json, results); }
  void operator()(const backend::Done&) const {
    json.begin_object();
    json.member<"ok">(true);
    json.end_object();
  }
  void operator()(const backend::LimitSet&) const { (*this)(backend::Done()); }
  void operator()(const backend::LimitsApplied& applied) const { write(json, applied.changes); }
  void operator()(const backend::UsageReset&) const { (*this)(backend::Done()); }
  void operator()(const backend::LimitRemoved&) const { (*this)(backend::Done()); }
  void operator()(const backend::AllReset& all) const { write_count<"reset">(all.count); }
  void operator()(const backend::AllRemoved& all) const { write_count<"deleted">(all.count); }
  void operator()(const Status&) const { base::assertion_failed("a failure is no answer", __FILE__, __LINE__); }
};

void note(std::string& audit, const backend::Answer& answer) {
  if (const auto* set = std::get_if<backend::LimitSet>(&answer)) {
    note_limit(audit, set->key, set->before, set->now, set->mode);
  }
  if (const auto* applied = std::get_if<backend::LimitsApplied>(&answer)) {
    if (!applied->dry_run) note_changes(audit, applied->changes);
  }
  if (const auto* reset = std::get_if<backend::UsageReset>(&answer)) note_reset(audit, reset->key);
  if (const auto* all = std::get_if<backend::AllReset>(&answer)) note_all_reset(audit, all->prefix, all->count);
  if (const auto* removed = std::get_if<backend::LimitRemoved>(&answer)) {
    note_removed(audit, removed->key, removed->before);
  }
  if (const auto* all = std::get_if<backend::AllRemoved>(&answer)) note_all_removed(audit, all->prefix, all->count);
}

/// A list in pieces, so that neither a page's lock nor its memory grows with the list. Each page is an operation of its
/// own, and asked for when the page before it has been taken.
class StatusPages : public std::enable_shared_from_this<StatusPages> {
 public:
  StatusPages(backend::Backend& backend, const ListQuery& query)
      : backend_(backend), prefix_(query.prefix), after_(query.after), left_(query.max_rows), keys_(query.keys) {}

  void next(const Response::TakePiece& take) {
    const std::size_t size = std::min(kStatusesAPage, left_);
    const backend::List page{{.prefix = prefix_, .after = after_, .max_rows = size, .keys = keys_}};
    backend_.run(page, [self = shared_from_this(), size, take](const backend::Answer& answer) {
      if (const auto* failed = std::get_if<Status>(&answer)) return take(*failed, {});
      std::string piece;
      const bool more = self->append(std::get<std::vector<LimitStatus>>(answer), size, piece);
      take(more, std::move(piece));
    });
  }

 private:
  /// Whether more pages follow.
  bool append(const std::vector<LimitStatus>& page, std::size_t size, std::string& out) {
    for (const LimitStatus& status : page) {
      out += begun_ ? ',' : '[';
      begun_ = true;
      JsonWriter json(out);
      write(json, status);
    }
    left_ -= page.size();
    const bool more = page.size() == size && left_ > 0;
    if (!page.empty()) after_ = page.back().key;
    if (!more) out += begun_ ? "]" : "[]";
    return more;
  }

  backend::Backend& backend_;
  const std::string prefix_;
  std::string after_;
  std::size_t left_;
  const bool keys_;
  bool begun_ = false;
};

/// The first page is read before anything is sent, so that a failure can still have its status. A failure after that
/// can only break the connection.
void run_in_pages(backend::Backend& backend, const ListQuery& query, std::function<void(Response)> done) {
  auto pages = std::make_shared<StatusPages>(backend, query);
  pages->next([pages, done = std::move(done)](const Result<bool>& more, std::string piece) {
    if (!more.ok()) return done(failure_response(more.status()));
    Response response;
    response.body = std::move(piece);
    if (*more) response.more = [pages](const Response::TakePiece& take) { pages->next(take); };
    done(std::move(response));
  });
}

}  // namespace

Service::Route Service::route(Method method, std::string_view path) {
  const Match match = find_operation(method, path);
  Route route;
  if (match.operation == nullptr || !is_percent_encoded(path)) {
    route.error = refusal(match, path);
    return route;
  }
  route.takes_body = match.operation->takes_body();
  route.most_body_bytes = match.operation->most_body_bytes;
  route.roles = match.operation->roles;
  // To sum a pattern up takes as long as it has keys.
  const bool sums_up = match.operation->effect == Effect::kReads && match.operation->takes_key() && names_pattern(path);
  route.effect = sums_up ? Effect::kScans : match.operation->effect;
  route.operation = match.operation;
  return route;
}

std::optional<Response> Service::submit(const Route& route, const Request& request, backend::Queue& queue,
                                        backend::Asker& asker, std::uint64_t number) {
  FLINT_ASSERT(route.operation != nullptr);
  Reading reading{.request = request, .query = {}, .key = {}, .items = {}, .checks = {}, .limits = {}, .asked = {}};
  std::optional<Response> response = read(route, reading);
  if (!response) queue.submit(reading.asked, asker, number);
  return response;
}

Response Service::respond(const OperationRow& operation, const backend::Answer& answer, std::string* audit) {
  Response response;
  respond(operation, answer, audit, response);
  return response;
}

void Service::respond(const OperationRow& operation, const backend::Answer& answer, std::string* audit,
                      Response& response) {
  if (const auto* failed = std::get_if<Status>(&answer)) {
    response = failure_response(*failed);
    return;
  }
  response.clear();
  if (operation.write != nullptr) return operation.write(response.body);
  response.body.reserve(kUsualBytes);
  JsonWriter json(response.body);
  // A check is what is asked nearly always, and it changes nothing that is noted.
  if (const auto* decision = std::get_if<Decision>(&answer)) return write(json, *decision);
  std::visit(WriteAnswer{json}, answer);
  if (audit != nullptr) note(*audit, answer);
}

void Service::run(const Route& route, const Request& request, std::function<void(Response)> done, std::string* audit) {
  FLINT_ASSERT(route.operation != nullptr);
  Reading reading{.request = request, .query = {}, .key = {}, .items = {}, .checks = {}, .limits = {}, .asked = {}};
  if (std::optional<Response> response = read(route, reading)) return done(std::move(*response));
  if (const auto* list = std::get_if<backend::List>(&reading.asked)) {
    return run_in_pages(backend_, list->query, std::move(done));
  }
  backend_.run(reading.asked, [row = route.operation, audit, done = std::move(done)](const backend::Answer& answer) {
    done(respond(*row, answer, audit));
  });
}

Response Service::handle(const Request& request, std::string* audit) {
  Route route = this->route(request.method, request.path);
  if (route.operation == nullptr) return *std::move(route.error);
  std::promise<Response> response;
  run(
      route, request, [&response](Response answered) { response.set_value(std::move(answered)); }, audit);
  return response.get_future().get();
}

Status Service::complete(Response& response) {
  while (response.more) {
    std::promise<Result<bool>> more;
    response.more([&](const Result<bool>& follows, const std::string& piece) {
      response.body += piece;
      more.set_value(follows);
    });
    const Result<bool> follows = more.get_future().get();
    if (!follows.ok()) return follows.status();
    if (!*follows) response.more = nullptr;
  }
  return {};
}

}  // namespace flint::api
