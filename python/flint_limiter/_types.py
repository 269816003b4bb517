"""The shapes of what limiters take and answer. Field names are those of the HTTP API; times are aware UTC datetimes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Union

from flint_limiter._result import CheckResult

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    try:
        # Before Python 3.12 pydantic, and so FastAPI, takes only these as the type of an answer.
        from typing_extensions import TypedDict
    except ImportError:
        from typing import TypedDict

Algorithm = Literal["token_bucket", "sliding_window_log", "fixed_window_counter"]
#: An int of seconds, a str such as `250ms`, `10s`, `1m`, `1h`, `1d`, or a timedelta.
Period = Union[int, str, timedelta]


class _ItemKey(TypedDict):
    key: str


class ItemDict(_ItemKey, total=False):
    cost: int


Item = Union[str, tuple[str, int], list[Union[str, int]], ItemDict]
Items = Iterable[Item]


class CheckAllResult(TypedDict):
    """One decision over several keys."""

    allowed: bool
    #: The first key, in the order given, that denied; None when all allowed.
    denied_key: str | None
    #: In the order given, up to and including the denied one. When denied, nothing was consumed.
    results: list[CheckResult]


class LimitStatus(TypedDict):
    """What is known of a key. A time is None until it has happened."""

    key: str
    rate: int
    per_millis: int
    #: The capacity of a token bucket; None for the other algorithms.
    burst: int | None
    algorithm: Algorithm
    remaining: int
    reset_at: datetime
    total_allowed: int
    total_denied: int
    total_allowed_cost: int
    total_denied_cost: int
    last_allowed_at: datetime | None
    last_denied_at: datetime | None
    last_reset_at: datetime | None


class _EventAlways(TypedDict):
    seq: int
    at: datetime
    kind: Literal["configured", "allowed", "denied", "reset"]
    #: Units consumed or, for `denied`, refused; else 0.
    cost: int
    #: How many denials this event sums up; else 1.
    count: int


class Event(_EventAlways, total=False):
    """One thing that the log remembers of a key. The limit's fields are there when `kind` is `configured`."""

    rate: int
    per_millis: int
    burst: int | None
    algorithm: Algorithm


class Finding(TypedDict):
    #: The directory does not open until it is repaired.
    fatal: bool
    message: str


class FileMap(TypedDict):
    name: str
    kind: str
    bytes: int
    first_seq: int
    last_seq: int
    records: int
    valid_bytes: int


class DoctorReport(TypedDict):
    """How the data directory is doing."""

    ok: bool
    data_dir: str
    limits: int
    #: Bytes of records in the log that a reopen would read.
    aof_bytes: int
    snapshot_exists: bool
    snapshot_bytes: int
    last_seq: int
    durable_seq: int
    #: Storage failed: no changes are accepted until the directory is reopened.
    failed: bool
    #: Something is not as it should be, yet everything acknowledged is there.
    degraded: bool
    findings: list[Finding]
    files: list[FileMap]


# Under names of their own, because inside a limiter's class `list` is a method.
Statuses = list[LimitStatus]
Events = list[Event]
