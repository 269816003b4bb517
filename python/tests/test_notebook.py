"""A notebook: its cells run inside an event loop that runs already, and may use `await` at their top."""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
from support import end_server

CELLS = [
    "import flint\nlimiter = flint.open(directory)",
    "limiter.limit('api', '5/d')\nfirst = limiter.check('api').remaining",
    "second = (await limiter.acheck('api')).remaining",
    # In one cell, both ways by turns.
    "third = limiter.check('api').remaining\nfourth = (await limiter.acheck('api')).remaining",
    "import asyncio\nrest = await asyncio.gather(*(limiter.acheck('api') for _ in range(4)))",
    "await limiter.alimit('tokens', '10/d')",
    "async with await limiter.areserve({'tokens': 3}, ttl='1m') as held:\n    await held.acommit({'tokens': 1})\n"
    "left = (await limiter.astatus('tokens'))['remaining']",
    "@limiter.rate_limit('job', '1/d')\nasync def job():\n    return 'done'\n"
    "ran = await job()\ntry:\n    await job()\nexcept flint.RateLimitExceeded as error:\n    refused = error.key",
    "embedded = flint.Limiter(str(directory) + '-own')\nembedded.limit('k', '2/d')\n"
    "own = [embedded.check('k').remaining, (await embedded.acheck('k')).remaining]\nembedded.close()",
    "limiter.close()",
]


async def run_cells(cells: list[str], names: dict[str, Any]) -> None:
    """As IPython and `python -m asyncio` run what is typed."""
    for cell in cells:
        code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            await eval(code, names)
        else:
            exec(code, names)
        # The kernel waits for the next cell meanwhile.
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("cut", [None, 2])
def test_both_ways_to_call_work_in_its_cells(directory: Path, cut: int | None) -> None:
    names: dict[str, Any] = {"directory": directory}
    try:
        if cut is None:
            asyncio.run(run_cells(CELLS, names))
        else:  # a kernel that is restarted keeps the names of nothing, but the server has what was charged
            asyncio.run(run_cells(CELLS[:cut], names))
            again: dict[str, Any] = {"directory": directory, "first": names["first"]}
            asyncio.run(run_cells(CELLS[:1] + CELLS[cut:], again))
            names = again
        assert [names[each] for each in ("first", "second", "third", "fourth")] == [4, 3, 2, 1]
        assert [bool(one) for one in names["rest"]] == [True, False, False, False]
        assert names["left"] == 9
        assert (names["ran"], names["refused"]) == ("done", "job")
        assert names["own"] == [1, 0]
    finally:
        end_server(directory)
