#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace flint::original {

/// SHA-256 (FIPS 180-4), with which the original Flint guards its records. No secret is involved, and a library for it
/// would be one more dependency.
class Sha256 {
 public:
  void update(std::string_view bytes) noexcept;
  /// Of all that was given, as 64 lower-case hexadecimal digits. Once, at the end.
  [[nodiscard]] std::string hex() noexcept;

 private:
  void compress(const unsigned char* block) noexcept;

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_{};
  std::size_t in_block_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace flint::original
