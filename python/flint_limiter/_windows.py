"""The windows of a limit that has several, in decisions, statuses and events."""

from __future__ import annotations

import sys
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

# Before Python 3.12, pydantic (and so FastAPI) accepts only those of typing_extensions, which it brings, as the type of
# a response.
if TYPE_CHECKING or sys.version_info >= (3, 12) or find_spec("pydantic") is None:
    from typing import TypedDict
else:
    from typing_extensions import TypedDict

#: The last one is for reservations only: see `AbstractLimiter.reserve()`.
Algorithm = Literal[
    "token_bucket", "sliding_window_log", "fixed_window_counter", "sliding_window_counter", "concurrency"
]

Align = Literal["day", "week", "month", "year"]

__all__ = ["Algorithm", "Align", "TypedDict", "WindowRule", "WindowStatus"]


class _WindowRule(TypedDict):
    rate: int
    #: None for a calendar window.
    per_millis: int | None
    #: The capacity of a token bucket; None for the other algorithms.
    burst: int | None
    algorithm: Algorithm


class WindowRule(_WindowRule, total=False):
    """One window of a limit that has several."""

    #: Of a calendar window: its unit, and its time zone.
    align: Align
    timezone: str


class WindowStatus(WindowRule):
    """One window of a limit that has several, in a decision or in a status."""

    #: The capacity: `burst` (or `rate`) of a token bucket, else `rate`.
    limit: int
    remaining: int
    reset_at: datetime
    reset_after_ms: int
    #: 0 if this window allows the cost, and in a status.
    retry_after_ms: int
