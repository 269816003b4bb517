// Runs a fuzz target without a fuzzer: over each input of the folders that are named, then over random ones. So each
// target is compiled with the tests, and an input that once found a bug is tried with every change.
//
//   NAME_fuzz_inputs [FOLDER...]

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <vector>

#include "testing/seed.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace {

constexpr std::uint64_t kRandomInputs = 200;
constexpr std::size_t kLongestInput = 2048;

std::size_t run_folder(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::cout << entry.path().filename().string() << std::endl;  // before it is tried: a failure ends the process
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++count;
  }
  return count;
}

void run_random() {
  std::mt19937_64 random(flint::testing::test_seed());
  std::cout << std::flush;
  for (std::uint64_t n = 0; n < kRandomInputs * flint::testing::test_effort(); ++n) {
    std::vector<std::uint8_t> bytes(random() % (kLongestInput + 1));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int n = 1; n < argc; ++n) {
    if (run_folder(argv[n]) == 0) {
      std::cerr << argv[n] << " holds no input\n";
      return EXIT_FAILURE;
    }
  }
  run_random();
  return EXIT_SUCCESS;
}
