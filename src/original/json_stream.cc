#include "original/json_stream.h"

#include <boost/json/basic_parser_impl.hpp>
#include <utility>

namespace flint::original {

namespace json = boost::json;

std::string shown_path(const JsonPath& path) {
  std::string shown;
  for (const std::string& name : path) {
    if (name.empty()) {
      shown += "[]";
    } else {
      shown += (shown.empty() ? "" : ".") + name;
    }
  }
  return shown;
}

/// Receives events from Boost.JSON's parser; the names of the members are its contract for a handler. Events and not a
/// document: a snapshot of the original may have gigabytes, in one string inside one object.
class JsonStream::Handler {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  explicit Handler(JsonSink& sink) : sink_(sink) {}

  [[nodiscard]] const Status& status() const { return status_; }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& error) { return open(true, error); }
  bool on_object_end(std::size_t, json::error_code&) { return close(); }
  bool on_array_begin(json::error_code& error) { return open(false, error); }
  bool on_array_end(std::size_t, json::error_code&) { return close(); }

  bool on_key_part(json::string_view part, std::size_t, json::error_code&) { return keep(part); }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    path_.back().assign(take(part));
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code& error) {
    if (!sink_.in_pieces(path_)) return keep(part);
    return check(sink_.piece({part.data(), part.size()}), error);
  }
  bool on_string(json::string_view part, std::size_t, json::error_code& error) {
    if (!open_.empty() && sink_.in_pieces(path_)) return check(sink_.piece({part.data(), part.size()}), error);
    return tell(Scalar::Kind::kString, take(part), error);
  }
  bool on_number_part(json::string_view part, json::error_code&) { return keep(part); }
  bool on_int64(std::int64_t, json::string_view text, json::error_code& error) { return number(text, error); }
  bool on_uint64(std::uint64_t, json::string_view text, json::error_code& error) { return number(text, error); }
  bool on_double(double, json::string_view text, json::error_code& error) { return number(text, error); }
  bool on_bool(bool, json::error_code& error) { return tell(Scalar::Kind::kBool, {}, error); }
  bool on_null(json::error_code& error) { return tell(Scalar::Kind::kNull, {}, error); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  bool check(Status status, json::error_code& error) {
    if (status.ok()) return true;
    status_ = std::move(status);
    error = json::make_error_code(json::error::exception);
    return false;
  }
  bool refuse(std::string message, json::error_code& error) {
    return check({Code::kInvalidArgument, std::move(message)}, error);
  }
  bool open(bool is_object, json::error_code& error) {
    if (open_.empty() && !is_object) return refuse("it must be an object.", error);
    if (!open_.empty() && !check(sink_.begin(path_, is_object), error)) return false;
    open_.push_back(is_object);
    path_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    path_.pop_back();
    if (!open_.empty() && open_.back()) path_.back().clear();
    return true;
  }
  bool tell(Scalar::Kind kind, std::string_view text, json::error_code& error) {
    if (open_.empty()) return refuse("it must be an object.", error);
    return check(sink_.value(path_, {kind, text}), error);
  }
  bool number(json::string_view text, json::error_code& error) {
    return tell(Scalar::Kind::kNumber, take(text), error);
  }
  bool keep(json::string_view part) {
    if (!has_parts_) parts_.clear();
    has_parts_ = true;
    parts_.append(part.data(), part.size());
    return true;
  }
  /// Valid until the next keep().
  std::string_view take(json::string_view last) {
    if (!has_parts_) return {last.data(), last.size()};
    keep(last);
    has_parts_ = false;
    return parts_;
  }

  JsonSink& sink_;
  Status status_;
  /// One name for each object or array that is open: of the value that is being read in it.
  JsonPath path_;
  std::vector<bool> open_;
  std::string parts_;
  bool has_parts_ = false;
};

struct JsonStream::Parser : json::basic_parser<Handler> {
  explicit Parser(JsonSink& sink) : json::basic_parser<Handler>(json::parse_options(), sink) {}
  json::error_code error;
};

JsonStream::JsonStream(JsonSink& sink) : parser_(std::make_unique<Parser>(sink)) {}
JsonStream::~JsonStream() = default;

Status JsonStream::write(std::string_view text) {
  read_ = parser_->write_some(true, text.data(), text.size(), parser_->error);
  if (parser_->error || read_ == text.size()) return outcome();
  const std::size_t blanks = text.find_first_not_of(" \t\r\n", read_);
  if (blanks == std::string_view::npos) return {};
  read_ = blanks;
  return {Code::kInvalidArgument, "there is something behind the JSON value."};
}

Status JsonStream::finish() {
  parser_->write_some(false, "", 0, parser_->error);
  return outcome();
}

Status JsonStream::outcome() const {
  if (!parser_->error) return {};
  if (!parser_->handler().status().ok()) return parser_->handler().status();
  return {Code::kInvalidArgument, "this is not valid JSON: " + parser_->error.message() + "."};
}

}  // namespace flint::original
