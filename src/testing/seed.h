#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

namespace flint::testing {

/// The one integer that replays a random test: FLINT_TEST_SEED, or one drawn at random. Printed either way.
[[nodiscard]] inline std::uint64_t test_seed() {
  const char* given = std::getenv("FLINT_TEST_SEED");  // NOLINT(concurrency-mt-unsafe)
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::cout << "FLINT_TEST_SEED=" << seed << std::endl;  // now: a test that does not end says which seed it had
  return seed;
}

/// How many times as many random cases to try: FLINT_TEST_EFFORT, or 1.
[[nodiscard]] inline std::uint64_t test_effort() {
  const char* given = std::getenv("FLINT_TEST_EFFORT");  // NOLINT(concurrency-mt-unsafe)
  return given == nullptr ? 1 : std::max<std::uint64_t>(1, std::strtoull(given, nullptr, 10));
}

}  // namespace flint::testing
