// A program that asks a server, whose limits other processes share:
//   shared http://127.0.0.1:7878
#include <flint/shared_limiter.h>

#include <chrono>
#include <cstdio>

namespace {

int fail(const flint::Status& status) {
  std::fprintf(stderr, "%s\n", status.message().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using std::chrono::milliseconds;
  auto opened =
      flint::SharedLimiter::open(argc > 1 ? argv[1] : "http://127.0.0.1:7878", {.timeout = milliseconds(2000)});
  if (!opened.ok()) return fail(opened.status());
  flint::SharedLimiter& limiter = **opened;

  // The check carries its limit, so that nobody has to set one.
  const flint::CheckOptions carried{.limit = flint::Limit{.rate = 2, .per = milliseconds(400)}};
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto decision = limiter.check("job:report", 1, carried);
    if (!decision.ok()) return fail(decision.status());
    std::printf("%d: %s\n", attempt, decision->allowed ? "allowed" : "denied");
  }

  // Waits until it may go on, for at most ten seconds.
  const auto waited =
      flint::acquire(limiter, "job:report", 1, {.timeout = milliseconds(10'000), .limit = carried.limit});
  if (!waited.ok()) return fail(waited.status());
  std::printf("after waiting: %s\n", waited->allowed ? "allowed" : "denied");
  return 0;
}
