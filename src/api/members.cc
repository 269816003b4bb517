#include "api/members.h"

#include "api/member_name.h"
#include "base/assert.h"

namespace flint::api {
namespace {

std::string units_given(const JsonNode& node) {
  constexpr std::size_t kLongestShown = 20;
  const bool number = node.kind == JsonNode::Kind::kUnsigned || node.kind == JsonNode::Kind::kNumber;
  if (!number) return std::string(kind_name(node));
  if (node.text.size() > kLongestShown) return "a number of " + std::to_string(node.text.size()) + " characters";
  return std::string(node.text);
}

}  // namespace

std::string shown_member_name(std::string_view name) {
  constexpr std::size_t kLongest = 40;
  constexpr std::string_view kOfFieldNames = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  if (!name.empty() && name.size() <= kLongest && name.find_first_not_of(kOfFieldNames) == std::string_view::npos) {
    return std::string(name);
  }
  return "(a name of " + std::to_string(name.size()) + " bytes)";
}

Result<std::string_view> read_text(const JsonNode& node, std::string_view path) {
  if (node.kind == JsonNode::Kind::kString) return node.text;
  return Status::of_field(path, "must be a string, not " + std::string(kind_name(node)) + ".");
}

Result<Units> read_units(const JsonNode& node, std::string_view path) {
  if (node.kind == JsonNode::Kind::kUnsigned && node.integer >= 1 && node.integer <= kMaxUnits) return node.integer;
  return Status::of_field(
      path, "must be an integer from 1 to " + std::to_string(kMaxUnits) + ", not " + units_given(node) + ".");
}

Members::Members(const JsonDocument& document, const JsonNode& object, std::string_view path,
                 std::initializer_list<std::string_view> names)
    : path_(path) {
  FLINT_ASSERT(names.size() <= kMostMembers);
  for (const std::string_view name : names) members_[count_++].name = name;
  bind(document, object);
}

void Members::bind(const JsonDocument& document, const JsonNode& object) {
  if (object.kind != JsonNode::Kind::kObject) {
    const std::string where = path_.empty() ? "The body" : path_;
    return fail(Status::of_field(where, "must be an object, not " + std::string(kind_name(object)) + "."));
  }
  const JsonNode* node = object.size == 0 ? nullptr : document.first_child(object);
  for (std::uint32_t i = 0; i < object.size; ++i, node = document.sibling(*node)) {
    Member* member = find(node->name);
    if (member == nullptr) {
      return fail(Status::of_field(path_of(shown_member_name(node->name)), "is not a field of this request."));
    }
    if (member->node != nullptr) return fail(Status::of_field(path_of(node->name), "appears more than once."));
    member->node = node;
  }
}

std::string_view Members::text(std::string_view name) {
  const JsonNode* node = any(name);
  if (node == nullptr) return {};
  Result<std::string_view> text = read_text(*node, path_of(name));
  if (text.ok()) return *text;
  fail(text.status());
  return {};
}

Units Members::units(std::string_view name) {
  const JsonNode* node = any(name);
  if (node == nullptr) return 0;
  Result<Units> units = read_units(*node, path_of(name));
  if (units.ok()) return *units;
  fail(units.status());
  return 0;
}

const JsonNode* Members::any(std::string_view name) {
  const Member* member = find(name);
  FLINT_ASSERT(member != nullptr);
  if (member->node == nullptr) fail(Status::of_field(path_of(name), "is missing."));
  return member->node;
}

bool Members::flag(std::string_view name) {
  if (!has(name)) return false;
  const JsonNode* node = any(name);
  if (node == nullptr) return false;
  if (node->kind != JsonNode::Kind::kBool) {
    fail(Status::of_field(path_of(name), "must be true or false, not " + std::string(kind_name(*node)) + "."));
  }
  return node->kind == JsonNode::Kind::kBool && node->text == "true";
}

bool Members::has(std::string_view name) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (members_[i].name == name) return members_[i].node != nullptr;
  }
  return false;
}

void Members::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

Members::Member* Members::find(std::string_view name) {
  for (std::size_t i = 0; i < count_; ++i) {
    if (members_[i].name == name) return &members_[i];
  }
  return nullptr;
}

std::string Members::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

}  // namespace flint::api
