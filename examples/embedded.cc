// A limiter inside a program: no server, and a restart forgets nothing. Run it twice in a row to see that.
#include <flint/limiter.h>

#include <chrono>
#include <cstdio>

namespace {

int fail(const flint::Status& status) {
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return 1;
}

}  // namespace

int main() {
  auto opened = flint::Limiter::open(".flint");
  if (!opened.ok()) return fail(opened.status());
  flint::Limiter& limiter = **opened;

  // Five units a minute, all of which may be used at once. Setting the same limit again changes nothing.
  const flint::Limit limit{.rate = 5, .per = std::chrono::minutes(1)};
  if (const auto status = limiter.limit("api:user-42", limit); !status.ok()) return fail(status);

  for (int attempt = 1; attempt <= 7; ++attempt) {
    const auto decision = limiter.check("api:user-42");
    if (!decision.ok()) return fail(decision.status());
    if (decision->allowed) {
      std::printf("%d: allowed, %llu left\n", attempt, static_cast<unsigned long long>(decision->remaining));
    } else {
      std::printf("%d: denied, try again in %llu ms\n", attempt,
                  static_cast<unsigned long long>(decision->retry_after_ms.value_or(0)));
    }
  }

  if (const auto status = limiter.close(); !status.ok()) return fail(status);
  return 0;
}
