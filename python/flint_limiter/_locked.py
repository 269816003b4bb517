"""A data directory that another process has: when waiting for it is of use, and what to say when it is not."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from typing import TypeVar

from flint_limiter._errors import DataDirLocked

Opened = TypeVar("Opened")

logger = logging.getLogger("flint")

_DEFAULT_S = 10.0
# A wait this long is reported: the program has not hung.
_REPORT_AFTER_S = 1.0


def wait_for_directory(
    open_it: Callable[[int, Callable[[], None] | None], Opened], data_dir: str, timeout_s: float | None
) -> Opened:
    """What `open_it` opens; it takes how long to wait for a directory that another process has, in milliseconds, and
    what to call while it waits.

    `timeout_s` None waits ten seconds for a process that may end soon, such as the old worker of a reload, and not at
    all for one that does not: this process, its parent, or a server.
    """
    began = time.monotonic()
    try:
        return open_it(0, None)
    except DataDirLocked as raised:
        locked = raised
    in_vain = timeout_s is None and (locked.is_server or locked.process_id in (os.getpid(), os.getppid()))
    most_s = _DEFAULT_S if timeout_s is None else timeout_s
    if most_s > 0 and not in_vain:
        reported = False

        def report() -> None:
            nonlocal reported
            waited_s = time.monotonic() - began
            if waited_s >= _REPORT_AFTER_S and not reported:
                reported = True
                logger.warning("Waiting up to %.0f s more for the data directory: %s", most_s - waited_s, locked)

        try:
            return open_it(math.ceil(most_s * 1000), report)
        except DataDirLocked as raised:
            locked = raised
    locked.args = (f"{locked} {_cause(locked)}{_how_to_share(data_dir, locked.is_server)}",)
    raise locked


def _cause(locked: DataDirLocked) -> str:
    if locked.is_server:
        return ""
    if locked.process_id == os.getpid():
        return "That is another Limiter of this process, which is still open. "
    if locked.process_id == os.getppid():
        return (
            "That is the parent of this process: a development server that reloads the program (app.run(debug=True), "
            "manage.py runserver) runs it twice. Turn the reloader off (use_reloader=False, --noreload), or share. "
        )
    return (
        "A Limiter is for one process: several workers (uvicorn --workers, gunicorn -w) need a SharedLimiter; "
        "a worker that is started by a reload waits (lock_timeout) until the old one has ended. "
    )


def _how_to_share(data_dir: str, is_server: bool) -> str:
    socket = os.path.abspath(os.path.join(data_dir, "flint.sock"))
    if is_server and os.path.exists(socket):
        return f'Its server can be used from here: flint.SharedLimiter("unix:{socket}").'
    return f"To share it, run `flint --data-dir {data_dir} server start`, and use flint.SharedLimiter everywhere."
