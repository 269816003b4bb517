#include "http/page.h"

#include <algorithm>
#include <string>

#include "api/errors.h"
#include "api/url.h"
#include "http/page_files.h"

namespace flint::http {
namespace {

/// The page loads nothing from elsewhere, runs no script but its own files, and is shown in no other page. Keys are
/// chosen by strangers: should one of them ever end up as markup, it can do nothing.
constexpr std::string_view kPolicy =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n";

const PageFile* find(std::string_view path) noexcept {
  const auto files = page_files();
  const auto found = std::find_if(files.begin(), files.end(), [&](const PageFile& file) { return file.path == path; });
  return found == files.end() ? nullptr : &*found;
}

}  // namespace

// Nearly every path is one of the API, and is told from these by its second letter.
bool Page::has(std::string_view path) noexcept {
  return (path == "/" || path.starts_with("/assets/")) && find(path) != nullptr;
}

api::Service::Route Page::route(api::Method method) {
  api::Service::Route route;
  if (method == api::Method::kGet) return route;
  route.error = api::error_response(405, "method_not_allowed", "This path does not accept this method.");
  route.error->fields = "Allow: GET, HEAD\r\n";
  return route;
}

api::Response Page::handle(const api::Request& request) {
  if (!request.query.empty()) {
    if (Status status = api::Query::parse(request.query, {}).status(); !status.ok()) {
      return api::failure_response(status);
    }
  }
  const PageFile* const file = find(request.path);
  api::Response response;
  response.content_type = file->content_type;
  response.body = file->content;
  response.fields = kPolicy;
  return response;
}

}  // namespace flint::http
