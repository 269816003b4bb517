#include "original/object_reader.h"

#include <fmt/format.h>

#include "api/member_name.h"
#include "base/assert.h"
#include "base/rfc3339.h"
#include "limiter/event_codec.h"

namespace flint::original {

Result<WallTime> read_time(std::string_view text, std::string_view path) {
  const std::optional<WallTime> time = base::parse_rfc3339(text);
  if (time && limiter::is_wall_time(*time)) return *time;
  return Status(Code::kInvalidArgument,
                fmt::format("{} must be a time from 1970 to 2116 such as 2026-11-23T18:22:02.123Z.", path));
}

ObjectReader::ObjectReader(const api::JsonDocument& document, const api::JsonNode& object, std::string_view path,
                           std::initializer_list<std::string_view> names)
    : path_(path) {
  FLINT_ASSERT(names.size() <= members_.size());
  for (const std::string_view name : names) members_[count_++].name = name;
  bind(document, object);
}

/// Unknown members are refused: they may change what the others mean, and a limit that is imported wrongly is worse
/// than one that is not imported.
void ObjectReader::bind(const api::JsonDocument& document, const api::JsonNode& object) {
  if (object.kind != api::JsonNode::Kind::kObject) {
    return fail(
        fmt::format("{} must be an object, not {}.", path_.empty() ? "the line" : path_, api::kind_name(object)));
  }
  const api::JsonNode* node = object.size == 0 ? nullptr : document.first_child(object);
  for (std::uint32_t i = 0; i < object.size; ++i, node = document.sibling(*node)) {
    Member* member = find(node->name);
    if (member == nullptr) {
      return fail(fmt::format("{} is unknown to this Flint: did a newer version of the original write it?",
                              path_of(api::shown_member_name(node->name))));
    }
    if (member->node != nullptr) return fail(fmt::format("{} appears more than once.", path_of(node->name)));
    member->node = node;
  }
}

const api::JsonNode* ObjectReader::optional(std::string_view name) const {
  for (std::size_t i = 0; i < count_; ++i) {
    const api::JsonNode* node = members_[i].node;
    if (members_[i].name == name) return node != nullptr && node->kind == api::JsonNode::Kind::kNull ? nullptr : node;
  }
  return nullptr;
}

const api::JsonNode* ObjectReader::required(std::string_view name) {
  const Member* member = find(name);
  FLINT_ASSERT(member != nullptr);
  if (member->node == nullptr) fail(fmt::format("{} is missing.", path_of(name)));
  return member->node;
}

std::string_view ObjectReader::text(std::string_view name) {
  const api::JsonNode* node = required(name);
  if (node == nullptr) return {};
  if (node->kind == api::JsonNode::Kind::kString) return node->text;
  fail(fmt::format("{} must be a string, not {}.", path_of(name), api::kind_name(*node)));
  return {};
}

std::uint64_t ObjectReader::integer(std::string_view name, std::uint64_t least, std::uint64_t most) {
  const api::JsonNode* node = required(name);
  if (node == nullptr) return least;
  const bool whole = node->kind == api::JsonNode::Kind::kUnsigned;
  if (whole && node->integer >= least && node->integer <= most) return node->integer;
  const bool number = whole || node->kind == api::JsonNode::Kind::kNumber;
  fail(fmt::format("{} must be an integer from {} to {}, not {}.", path_of(name), least, most,
                   number ? node->text.substr(0, 40) : api::kind_name(*node)));
  return least;
}

WallTime ObjectReader::time(std::string_view name) {
  const std::string_view written = text(name);
  if (!status_.ok()) return {};
  const Result<WallTime> time = read_time(written, path_of(name));
  if (time.ok()) return *time;
  fail(std::string(time.status().message()));
  return {};
}

/// The first failure is the one to report; callers may read all members and ask for status() once.
void ObjectReader::fail(std::string message) {
  if (status_.ok()) status_ = {Code::kInvalidArgument, std::move(message)};
}

ObjectReader::Member* ObjectReader::find(std::string_view name) {
  for (std::size_t i = 0; i < count_; ++i) {
    if (members_[i].name == name) return &members_[i];
  }
  return nullptr;
}

std::string ObjectReader::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

}  // namespace flint::original
