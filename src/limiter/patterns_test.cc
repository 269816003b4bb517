#include "limiter/patterns.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "testing/choices.h"
#include "testing/seed.h"

namespace flint::limiter {
namespace {

using namespace std::chrono_literals;
using testing::Random;

/// Of few letters, so that patterns of one length, and such that are the beginning of each other, come often.
std::string any_text(Random& random, std::size_t most) {
  std::string text;
  for (std::size_t bytes = random.pick(most + 1); bytes > 0; --bytes) text += random.one_in(2) ? 'a' : 'b';
  return text;
}

/// By comparing with every pattern.
const KeyEntry* expected(const std::map<std::string, KeyEntry*>& patterns, const std::string& key, bool carries) {
  const KeyEntry* longest = nullptr;
  const KeyEntry* longest_overriding = nullptr;
  for (const auto& [prefix, pattern] : patterns) {
    if (!key.starts_with(prefix)) continue;
    const auto is_longer = [&](const KeyEntry* than) {
      return than == nullptr || than->key.view().size() < prefix.size() + 1;
    };
    if (is_longer(longest)) longest = pattern;
    if (pattern->usage.rule.overrides() && is_longer(longest_overriding)) longest_overriding = pattern;
  }
  if (longest_overriding != nullptr) return longest_overriding;
  return carries ? nullptr : longest;
}

TEST(Patterns, FindsTheOneThatAComparisonWithEachFinds) {
  const std::uint64_t seed = testing::test_seed();
  SCOPED_TRACE(seed);
  Random random(seed);
  Limits limits;
  Keys keys;
  Patterns patterns;
  std::map<std::string, KeyEntry*> model;
  storage::Seq version = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::string prefix = any_text(random, 4);
    const auto known = model.find(prefix);
    if (known != model.end() && random.one_in(2)) {
      patterns.remove(*known->second);
      keys.remove(*known->second);
      model.erase(known);
    } else if (known == model.end() && random.one_in(4)) {
      KeyEntry& pattern = keys.add(prefix + "*");
      pattern.usage.rule = limits.version(++version, {.rate = 1, .per = 1s});
      pattern.usage.rule.set_overrides(random.one_in(4));
      patterns.add(pattern);
      model.emplace(prefix, &pattern);
    }
    const std::string key = any_text(random, 6);
    for (const bool carries : {false, true}) {
      ASSERT_EQ(patterns.find(key, carries), expected(model, key, carries)) << key << " after " << step << " steps";
    }
  }
}

}  // namespace
}  // namespace flint::limiter
