#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "api/json_document.h"
#include "flint/limit.h"
#include "flint/status.h"

namespace flint::api {

/// The members of one object of a request, read strictly: none unknown, none twice, each of its type and in its range.
/// The first thing that is wrong is kept, named by its path (`items[3].cost`); after it, reads give nothing more.
class Members {
 public:
  /// `path` is where the object is, empty for the body itself. At most 12 names, which outlive this.
  Members(const JsonDocument& document, const JsonNode& object, std::string_view path,
          std::initializer_list<std::string_view> names);

  /// Required.
  [[nodiscard]] std::string_view text(std::string_view name);
  [[nodiscard]] Units units(std::string_view name);
  [[nodiscard]] const JsonNode* any(std::string_view name);
  /// False where it is left out.
  [[nodiscard]] bool flag(std::string_view name);

  /// Where `name` is: `items[3].limit`.
  [[nodiscard]] std::string path_of(std::string_view name) const;

  /// Whether it is there.
  [[nodiscard]] bool has(std::string_view name) const;

  void fail(Status status);
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  static constexpr std::size_t kMostMembers = 12;
  struct Member {
    std::string_view name;
    const JsonNode* node = nullptr;
  };

  void bind(const JsonDocument& document, const JsonNode& object);
  [[nodiscard]] Member* find(std::string_view name);

  std::string path_;
  std::array<Member, kMostMembers> members_;
  std::size_t count_ = 0;
  Status status_;
};

/// A string, or kInvalidArgument that names `path`.
Result<std::string_view> read_text(const JsonNode& node, std::string_view path);
/// An integer from 1 to kMaxUnits.
Result<Units> read_units(const JsonNode& node, std::string_view path);

}  // namespace flint::api
