#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "api/json_document.h"
#include "flint/limit.h"
#include "flint/time.h"

namespace flint::original {

/// The members of one object that the original Flint wrote. A member that is not known is refused, since what a newer
/// version means by it could be usage. The first thing that is wrong is kept; after it, reads give nothing more.
class ObjectReader {
 public:
  /// `path` is for messages, such as `event.config`; at most 5 names, which outlive this.
  ObjectReader(const api::JsonDocument& document, const api::JsonNode& object, std::string_view path,
               std::initializer_list<std::string_view> names);

  /// Null when it is absent or null.
  [[nodiscard]] const api::JsonNode* optional(std::string_view name) const;
  /// Its absence is an error.
  [[nodiscard]] const api::JsonNode* required(std::string_view name);
  [[nodiscard]] std::string_view text(std::string_view name);
  [[nodiscard]] std::uint64_t integer(std::string_view name, std::uint64_t least, std::uint64_t most);
  [[nodiscard]] WallTime time(std::string_view name);
  [[nodiscard]] std::string path_of(std::string_view name) const;

  void fail(std::string message);
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  struct Member {
    std::string_view name;
    const api::JsonNode* node = nullptr;
  };
  void bind(const api::JsonDocument& document, const api::JsonNode& object);
  [[nodiscard]] Member* find(std::string_view name);

  std::string path_;
  std::array<Member, 5> members_;
  std::size_t count_ = 0;
  Status status_;
};

/// A time that a limiter can hold, or why it is none.
Result<WallTime> read_time(std::string_view text, std::string_view path);

}  // namespace flint::original
