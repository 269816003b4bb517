#include "http/gates.h"

#include <algorithm>

#include "api/errors.h"
#include "http/chars.h"

namespace flint::http {
namespace {

constexpr std::string_view kForwardedFor = "x-forwarded-for";
/// In place of a field that the request does not have.
constexpr std::string_view kAbsent = "-";

/// Calls `take` with the value of each field of this name, in their order. The lines have been checked.
template <typename Take>
void for_each_value(const RequestHead& head, std::string_view lower_name, const Take& take) {
  std::string_view lines = head.fields;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\r'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 2));
    const std::size_t colon = line.find(':');
    if (equals_ignoring_case(line.substr(0, colon), lower_name)) take(trimmed(line.substr(colon + 1)));
  }
}

/// Nothing if there are several: the program behind the proxy might go by another one than we.
std::optional<std::string> header_of(const RequestHead& head, std::string_view lower_name) {
  std::size_t count = 0;
  std::string found;
  for_each_value(head, lower_name, [&](std::string_view value) {
    ++count;
    found = value;
  });
  if (count > 1) return std::nullopt;
  if (found.empty()) found = kAbsent;
  return found;
}

std::string forwarded_for(const RequestHead& head) {
  std::string list;
  for_each_value(head, kForwardedFor, [&](std::string_view value) {
    if (!list.empty()) list += ',';
    list += value;
  });
  return list;
}

/// Without its port and zone.
std::optional<base::IpAddress> address_in(std::string_view entry) {
  entry = trimmed(entry);
  if (entry.starts_with('[')) {
    entry = entry.substr(1, entry.find(']') - 1);
  } else if (std::count(entry.begin(), entry.end(), ':') == 1) {
    entry = entry.substr(0, entry.find(':'));
  }
  return base::IpAddress::parse(entry.substr(0, entry.find('%')));
}

std::string text_of(const base::IpAddress& address) {
  std::string text = address.client().text();
  if (text.find(':') != std::string::npos) text += "/64";
  return text;
}

}  // namespace

bool Gates::has(std::string_view path) noexcept {
  return path.starts_with(api::kGatePath) &&
         (path.size() == api::kGatePath.size() || path[api::kGatePath.size()] == '/');
}

api::Service::Route Gates::route() {
  api::Service::Route route;
  route.roles = {.check = true, .metrics = false};
  route.effect = api::Effect::kDecides;
  route.is_gate = true;
  return route;
}

std::optional<api::Response> Gates::submit(const api::Service::Route& route, const RequestHead& head,
                                           const std::optional<base::IpAddress>& peer, backend::Queue& queue,
                                           backend::Asker& asker, std::uint64_t number,
                                           api::GateStatuses& statuses) const {
  if (head.path == api::kGatePath) {
    const Result<api::GateRequest> request = api::read_gate(head.query);
    if (!request.ok()) return api::failure_response(request.status());
    if (route.refuses_limits && request->limit) return api::limit_refused();
    statuses = request->statuses;
    return api::submit_gate(*request, queue, asker, number);
  }
  const api::Gate* gate = find(head.path);
  if (gate == nullptr) {
    return api::error_response(404, "unknown_path",
                               "There is no gate of this name: add it to [[gates]] of the server's configuration.");
  }
  api::GateRequest request;
  request.cost = gate->cost;
  request.limit = gate->limit;
  request.statuses = statuses = gate->statuses;
  request.add_key(gate->key.fill([&](const api::GateKey::Part& part) -> std::optional<std::string> {
    if (part.kind == api::GateKey::Part::Kind::kHeader) return header_of(head, part.text);
    return client_of(peer, gate->trusted_hops == 0 ? "" : forwarded_for(head), gate->trusted_hops);
  }));
  return api::submit_gate(request, queue, asker, number);
}

const api::Gate* Gates::find(std::string_view path) const {
  std::string_view name = path.substr(api::kGatePath.size() + 1);
  name = name.substr(0, name.find('/'));
  const auto found =
      std::find_if(gates_.begin(), gates_.end(), [&](const api::Gate& gate) { return gate.name == name; });
  return found == gates_.end() ? nullptr : &*found;
}

std::string client_of(const std::optional<base::IpAddress>& peer, std::string_view forwarded_for,
                      unsigned trusted_hops) {
  std::optional<base::IpAddress> client = peer;
  std::string_view list = forwarded_for;
  for (unsigned hop = 0; hop < trusted_hops && !list.empty(); ++hop) {
    const std::size_t comma = list.rfind(',');
    const std::string_view entry = comma == std::string_view::npos ? list : list.substr(comma + 1);
    const std::optional<base::IpAddress> address = address_in(entry);
    if (!address) break;  // "unknown" and such: the hop that wrote it is the last that we know
    client = address;
    list = comma == std::string_view::npos ? std::string_view() : list.substr(0, comma);
  }
  return client ? text_of(*client) : "unix";
}

}  // namespace flint::http
