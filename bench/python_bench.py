#!/usr/bin/env python3
"""What the Python package costs: run with `.venv/bin/python bench/python_bench.py` after `./dev python`.

Prints one row a measurement. Each is made in turns with what it is compared to, some hundred calls of one and then of
the other, and what is told is the median of the turns. Takes a minute; needs nothing but the package and Starlette.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import flint
from flint.fastapi import FlintMiddleware, client_address

BUILD = Path(__file__).resolve().parents[1] / "build"
KEY = "api:user-42"


class Times(NamedTuple):
    """Medians, in microseconds a call."""

    ours: float
    other: float
    ratio: float
    difference: float


def take_turns(
    ours: Callable[[], None],
    other: Callable[[], None],
    calls: int,
    turns: int = 41,
    clock: Callable[[], int] = time.thread_time_ns,
) -> Times:
    """Each function makes `calls` calls. The default clock is the processor's time of this thread, which says the same
    on a busy machine; what waits for another process needs the time on the wall."""

    def timed(function: Callable[[], None]) -> float:
        begun = clock()
        function()
        return (clock() - begun) / calls / 1000

    ours(), other()
    gc.collect()
    gc.disable()
    pairs = [(timed(ours), timed(other)) for _ in range(turns)]
    gc.enable()
    median = statistics.median
    return Times(
        median(one for one, _ in pairs),
        median(two for _, two in pairs),
        median(one / two for one, two in pairs),
        median(one - two for one, two in pairs),
    )


def repeated(call: Callable[[], Any], calls: int) -> Callable[[], None]:
    def function() -> None:
        for _ in range(calls):
            call()

    return function


def embedded(folder: Path) -> list[tuple[str, Times, str]]:
    rows = []
    with flint.Limiter(folder / "embedded", sync="batch") as limiter:
        limiter.limit(KEY, rate=1 << 40, per="1d")
        limiter.limit("denied", rate=1, per="366d")
        limiter.check("denied")
        for name, call in (
            ("`Limiter.check`, `batch`", lambda: limiter.check(KEY)),
            ("`Limiter.check`, `batch`, denied", lambda: limiter.check("denied")),
            ("`Limiter.status`", lambda: limiter.status(KEY)),
        ):
            rows.append((name, take_turns(repeated(call, 20_000), repeated(lambda: None, 20_000), 20_000, 21), "alone"))

        async def awaited(calls: int) -> None:
            for _ in range(calls):
                await limiter.acheck(KEY)

        with asyncio.Runner() as runner:
            times = take_turns(
                lambda: runner.run(awaited(20_000)), repeated(lambda: limiter.check(KEY), 20_000), 20_000, 21
            )
        rows.append(("`await Limiter.acheck`, `batch`", times, "`Limiter.check`"))
    return rows


def shared(folder: Path) -> list[tuple[str, Times, str]]:
    command = [str(Path(sys.executable).with_name("flint")), "--data-dir", str(folder / "served"), "server", "start"]
    server = subprocess.Popen([*command, "--bind", "127.0.0.1:0", "--sync", "batch"], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        url = ""
        for line in server.stderr:
            if listening := re.search(r"listening on (http://\S+)", line):
                url = listening[1]
            if "listening on unix:" in line:
                break
        bare = http.client.HTTPConnection(url.removeprefix("http://"))
        body = json.dumps({"key": KEY, "cost": 1})

        def ask() -> None:
            bare.request("POST", "/v1/check", body, {"Content-Type": "application/json"})
            bare.getresponse().read()

        wall = time.perf_counter_ns
        rows = []
        for name, where in (("TCP", url), ("the Unix socket", f"unix:{folder}/served/flint.sock")):
            with flint.SharedLimiter(where) as limiter:
                limiter.limit(KEY, rate=1 << 40, per="1d")
                times = take_turns(repeated(lambda: limiter.check(KEY), 500), repeated(ask, 500), 500, clock=wall)
                rows.append((f"`SharedLimiter.check` over {name}", times, "`http.client` over TCP"))

                async def awaited(calls: int) -> None:
                    for _ in range(calls):
                        await limiter.acheck(KEY)

                with asyncio.Runner() as runner:
                    times = take_turns(lambda: runner.run(awaited(500)), repeated(ask, 500), 500, clock=wall)
                rows.append((f"`await SharedLimiter.acheck` over {name}", times, "`http.client` over TCP"))
        rows.append(("`SharedLimiter(lease=100).check` at 0.9 of the rate", leased(url), "without a lease"))
        bare.close()
        return rows
    finally:
        server.terminate()
        server.communicate()


def leased(url: str) -> Times:
    """Over TCP. The rate is what is asked for, divided by 0.9."""
    wall = time.perf_counter_ns
    with flint.SharedLimiter(url, lease=100) as limiter, flint.SharedLimiter(url) as single:
        limiter.limit("leased", rate=1 << 40, per="1s")
        ask = repeated(lambda: limiter.check("leased"), 5_000)
        ask()
        begun = time.perf_counter()
        ask()
        rate = int(5_000 / (time.perf_counter() - begun) / 0.9)
        limiter.limit("leased", rate=rate, per="1s")

        def five_thousand() -> None:
            assert all(limiter.check("leased") for _ in range(5_000))

        # As many single checks as take about as long.
        alone = repeated(lambda: single.check(KEY), 250)
        times = take_turns(five_thousand, alone, 5_000, clock=wall)
        # They were 250, not 5,000.
        return Times(times.ours, times.other * 20, times.ratio / 20, times.ours - times.other * 20)


def middleware(folder: Path) -> list[tuple[str, Times, str]]:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
        "client": ("192.0.2.1", 5000),
    }

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None: ...

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def requests(app: Any, count: int) -> None:
        for _ in range(count):
            await app(dict(scope), receive, send)

    rows = []
    with flint.Limiter(folder / "web", sync="batch") as limiter, asyncio.Runner() as runner:
        given: dict[str, dict[str, Any]] = {"one key": {"key": KEY}, "a key an address": {"key_func": client_address()}}
        for name, arguments in given.items():
            app = FlintMiddleware(application, limiter=limiter, rate=1 << 40, per="1d", **arguments)
            times = take_turns(
                lambda: runner.run(requests(app, 2_000)), lambda: runner.run(requests(application, 2_000)), 2_000
            )
            rows.append((f"a request through `FlintMiddleware`, {name}", times, "without it"))
    return rows


def main() -> None:
    BUILD.mkdir(exist_ok=True)
    print("| what | us a call | compared to | ratio | us more |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        for measure in (embedded, shared, middleware):
            for name, times, other in measure(Path(folder)):
                compared = "an empty loop" if other == "alone" else f"{other}: {times.other:.2f} us"
                ratio = "" if other == "alone" else f"{times.ratio:.2f}"
                print(f"| {name} | {times.ours:.2f} | {compared} | {ratio} | {times.difference:.2f} |", flush=True)


if __name__ == "__main__":
    main()
