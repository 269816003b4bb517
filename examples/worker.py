"""A background worker that waits for its turn: it shares the quota of an API with all others who call it.

    flint server start
    python worker.py berlin paris rome oslo
"""

import os
import sys
import time

import flint


def main() -> None:
    with flint.SharedLimiter(os.environ.get("FLINT_SERVER", "http://127.0.0.1:7878")) as limiter:
        limiter.limit("api:weather", "2/s")
        for city in sys.argv[1:]:
            while not (result := limiter.check("api:weather")):
                time.sleep(result.retry_after_ms / 1000)
            print(f"{city}: asked, {result.remaining} more at once", flush=True)


if __name__ == "__main__":
    main()
