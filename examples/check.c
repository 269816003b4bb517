/* The interface for C: five checks of a limit that allows three, in a data directory or at a server.
 *   check .flint
 *   check http://127.0.0.1:7878 */
#include <flint_limiter.h>
#include <stdio.h>

static int fail(const flint_error* error) {
  fprintf(stderr, "%s: %s\n", flint_code_name(error->code), error->message);
  return 1;
}

int main(int argc, char** argv) {
  flint_error error = {.size = sizeof(error)};
  flint_limiter* limiter = NULL;
  if (flint_open(argc > 1 ? argv[1] : ".flint", NULL, &limiter, &error) != FLINT_OK) return fail(&error);

  int result = 0;
  if (flint_limit(limiter, "api:user-42", "3/h", &error) != FLINT_OK) result = fail(&error);
  for (int attempt = 1; attempt <= 5 && result == 0; ++attempt) {
    flint_decision decision = {.size = sizeof(decision)};
    if (flint_check(limiter, "api:user-42", 1, &decision, &error) != FLINT_OK) {
      result = fail(&error);
    } else if (decision.allowed) {
      printf("%d: allowed, %llu left\n", attempt, (unsigned long long)decision.remaining);
    } else {
      printf("%d: denied, try again in %lld ms\n", attempt, (long long)decision.retry_after_ms);
    }
  }

  if (flint_close(limiter, &error) != FLINT_OK) result = fail(&error);
  return result;
}
