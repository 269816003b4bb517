#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "testing/differential.h"

/// Any schedule of checks, looks, clock movements and reconfigurations gets the reference model's answers.
namespace {

/// Choices from the fuzzer's bytes, for as long as there are any.
class FuzzedSource {
 public:
  explicit FuzzedSource(FuzzedDataProvider& data) : data_(data) {}
  std::uint64_t pick(std::uint64_t bound) { return data_.ConsumeIntegralInRange<std::uint64_t>(0, bound - 1); }
  bool more() { return data_.remaining_bytes() > 0; }

 private:
  FuzzedDataProvider& data_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  // The model is quadratic in the length of a schedule.
  constexpr std::size_t kLongest = 1024;
  if (size > kLongest) return 0;
  FuzzedDataProvider data(bytes, size);
  FuzzedSource source(data);
  const auto algorithm = flint::testing::pick_algorithm(source);
  flint::testing::Differential<FuzzedSource> schedule(source, algorithm, {});
  if (const std::string difference = schedule.run(); !difference.empty()) {
    std::fprintf(stderr, "%s\n", difference.c_str());
    std::abort();
  }
  return 0;
}
