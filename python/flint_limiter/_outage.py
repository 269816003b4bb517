"""A server that gives no decisions: when a SharedLimiter with `on_error` asks it again, and what an operator learns.

A circuit breaker. While it is closed every check asks the server. The first check that gets no decision opens it: for a
while checks are answered without asking, so that a hung server costs one timeout and not one per request. Then one
check asks again, while the others are still answered without; if it gets a decision the breaker closes, else the pause
doubles.
"""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

from flint_limiter import _log
from flint_limiter._errors import FlintConnectionError, FlintError
from flint_limiter._printable import printable

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_LOG_EVERY_S = 60.0

# Held for some assignments only. One lock for all limiters, because a child of fork() must replace it: another thread
# of the parent may have held it.
_lock = threading.Lock()


def _replace_lock() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_replace_lock)

# Tests move it.
_now = time.monotonic


class _Pause:
    """Until when the server is not asked, and why."""

    __slots__ = ("failure", "length_s", "until")

    def __init__(self, length_s: float, until: float, failure: FlintError) -> None:
        self.length_s = length_s
        self.until = until
        self.failure = failure


class Attempt:
    """Around one call to the server: the breaker learns how it ended."""

    __slots__ = ("_outage", "_pause")

    def __init__(self, outage: Outage, pause: _Pause | None) -> None:
        self._outage = outage
        #: What a call that is the first to ask again has put in place of the pause that is over.
        self._pause = pause

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, FlintError) and error.undecided:
            self._outage._failed(self._pause, error)
        elif error is None or isinstance(error, Exception):
            self._outage.end()  # it has answered, if only that an argument is wrong
        else:
            self._outage._abandoned(self._pause)


class Outage:
    """Threads, event loops and children of fork(): any."""

    __slots__ = ("_attempt", "_count", "_log_at", "_logged", "_pause", "_probe_s", "_server", "decision")

    def __init__(self, server: str, timeout_s: float, on_error: str) -> None:
        #: What checks are without the server: "allow" or "deny", or "raise", which leaves everything to the caller.
        self.decision = on_error
        self._server = printable(server)
        # A call that asks again has ended by then, or its thread or event loop has.
        self._probe_s = timeout_s + 1.0
        self._pause: _Pause | None = None
        self._attempt = Attempt(self, None)
        self._count = 0
        self._log_at = 0.0
        self._logged = False

    @property
    def count(self) -> int:
        """How many checks have been decided without the server."""
        return self._count

    def attempt(self) -> Attempt:
        """What to ask the server within. Raises the connection error of a check that is not to ask."""
        pause = self._pause
        if pause is None:
            return self._attempt
        with _lock:
            now = _now()
            if self._pause is pause and now >= pause.until:
                # This call asks. If nothing more is heard of it, another one does.
                self._pause = _Pause(pause.length_s, now + self._probe_s, pause.failure)
                return Attempt(self, self._pause)
        raise FlintConnectionError(f"{pause.failure} (found a moment ago, so it was not asked again)")

    def without_decision(self, error: FlintError, checks: int = 1) -> bool:
        """Whether checks that met `error` are allowed. Raises `error` if it is not for us to say. Counts, and logs."""
        if self.decision == "raise" or not error.undecided:
            raise error
        with _lock:
            self._count += checks
            count = self._count
            now = _now()
            log = now >= self._log_at
            if log:
                self._log_at = now + _LOG_EVERY_S
                self._logged = True
        if log:
            words = "No decision from the Flint server at %s (%s): on_error=%r answers checks, %d so far."
            _log.warning(words, self._server, error, self.decision, count)
        return self.decision == "allow"

    def end(self) -> None:
        """The server answers."""
        if self._pause is None:
            return
        with _lock:
            self._pause = None
            logged, self._logged = self._logged, False
        if logged:
            words = "The Flint server at %s decides again: on_error=%r has answered %d checks."
            _log.warning(words, self._server, self.decision, self._count)

    def forget(self) -> None:
        """The limiter is closed: its calls say so, not what the server did before."""
        self._pause = None
        self._logged = False

    def _failed(self, pause: _Pause | None, error: FlintError) -> None:
        if self.decision == "raise":
            return
        with _lock:
            if self._pause is not pause:
                return  # of the calls that were under way when the first one failed, that one counts
            length_s = _FIRST_PAUSE_S if pause is None else min(2 * pause.length_s, _LONGEST_PAUSE_S)
            self._pause = _Pause(length_s, _now() + length_s, error)

    def _abandoned(self, pause: _Pause | None) -> None:
        """A call was cancelled: if it was the one that asks, the next one asks."""
        if pause is not None:
            pause.until = 0.0
