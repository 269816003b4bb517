#pragma once

#include <span>
#include <string_view>

namespace flint::http {

/// A file of web/, as it was when the program was built.
struct PageFile {
  std::string_view path;
  std::string_view content_type;
  std::string_view content;
};

[[nodiscard]] std::span<const PageFile> page_files() noexcept;

}  // namespace flint::http
