#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "testing/differential.h"
#include "testing/fuzzed_choices.h"

using flint::testing::FuzzedChoices;

/// Any schedule of checks, looks, clock movements and reconfigurations gets the reference model's answers.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  // The model is quadratic in the length of a schedule.
  constexpr std::size_t kLongest = 1024;
  if (size > kLongest) return 0;
  FuzzedChoices source({bytes, size});
  const auto algorithm = flint::testing::pick_algorithm(source);
  flint::testing::Differential<FuzzedChoices> schedule(source, algorithm, {});
  if (const std::string difference = schedule.run(); !difference.empty()) {
    std::fprintf(stderr, "%s\n", difference.c_str());
    std::abort();
  }
  return 0;
}
