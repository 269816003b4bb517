"""What the extension does for a client where it is there. Without it, or with `FLINT_PURE_PYTHON=1` in the environment,
all of these are None, and Python does it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Optional, Union

if TYPE_CHECKING:
    from flint_limiter._result import CheckResult

    #: How many bytes of the request were sent, what was received, and the number of an error or 0.
    Undone = tuple[int, bytes, int]
    #: Sends a request for a decision and reads the answer, without the GIL: descriptor, request, seconds, key, cost.
    #: Undone: what remains to be done in Python, where the answer is not a plain decision about that key and cost.
    Exchange = Callable[[int, bytes, float, str, int], Union[CheckResult, Undone]]
    #: The decision that a body is, about that key and cost; None if it is for Python to judge.
    ReadDecision = Callable[[bytes, str, int], Optional[CheckResult]]
    #: Whether a connected socket has neither ended nor something to read.
    Silent = Callable[[int], bool]

exchange: Exchange | None = None
read_decision: ReadDecision | None = None
silent: Silent | None = None

if os.environ.get("FLINT_PURE_PYTHON", "0") in ("", "0"):
    try:
        from flint_limiter._native import exchange, read_decision, silent
    except ImportError:
        pass
