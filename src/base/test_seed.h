#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace flint::base {

/// The one integer that replays a random test: FLINT_TEST_SEED, or one drawn at random. Printed either way.
[[nodiscard]] inline std::uint64_t test_seed() {
  const char* given = std::getenv("FLINT_TEST_SEED");  // NOLINT(concurrency-mt-unsafe)
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "FLINT_TEST_SEED=" << seed << '\n';
  return seed;
}

}  // namespace flint::base
