"""The types of arguments and results. Field names are those of the HTTP API; times are aware UTC datetimes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal, Union

from flint_limiter._result import CheckResult, FailedCheck
from flint_limiter._windows import Algorithm as Algorithm
from flint_limiter._windows import Align as Align
from flint_limiter._windows import TypedDict as TypedDict
from flint_limiter._windows import WindowRule as WindowRule
from flint_limiter._windows import WindowStatus as WindowStatus

#: What becomes of a check that a limit does not allow.
Mode = Literal["enforce", "shadow", "block"]
#: What becomes of the units of a reservation that nobody settles: they stay used, or are given back.
OnExpiry = Literal["keep", "return"]
#: An int of seconds, a str such as `250ms`, `10s`, `1m`, `1h`, `1d`, or a timedelta.
Period = Union[int, str, timedelta]


class _ItemKey(TypedDict):
    key: str


class _Rate(TypedDict):
    rate: int


class WindowDict(_Rate, total=False):
    """One window of a limit in fields: with `per`, or with `align`."""

    per: Period
    #: `token_bucket` if it is absent.
    algorithm: Algorithm
    #: The capacity of a token bucket; `rate` if it is absent.
    burst: int
    align: Align
    #: With `align`: the IANA name of a time zone; UTC if it is absent.
    timezone: str


class WindowsDict(TypedDict):
    """A limit of 1 to 8 windows in fields."""

    windows: list[WindowDict]


#: A limit in fields, as a check carries it.
LimitDict = Union[WindowDict, WindowsDict]
#: A limit that comes with a check: a rate string such as `"100/m"` or `"10/s, 1000/h"`, or a dict.
CarriedLimit = Union[str, LimitDict]


class ItemDict(_ItemKey, total=False):
    cost: int
    limit: CarriedLimit


Item = Union[str, tuple[str, int], list[Union[str, int]], ItemDict]
Items = Iterable[Item]
#: Of a reservation: items, or a dict of keys and costs.
ReservedItems = Union[Items, Mapping[str, int]]
#: What keys of a reservation really cost.
Costs = Mapping[str, int]


class CheckDict(ItemDict, total=False):
    dry_run: bool
    request_id: str


#: One check of a batch.
Check = Union[str, tuple[str, int], list[Union[str, int]], CheckDict]
Checks = Iterable[Check]


class CheckAllResult(TypedDict):
    """One decision over several keys."""

    allowed: bool
    #: The first key, in the given order, that denied; None if all allowed.
    denied_key: str | None
    #: In the given order, up to and including the key that denied. If one denied, nothing was consumed.
    results: list[CheckResult]


class _StatusAlways(TypedDict):
    key: str
    rate: int
    #: None for a calendar window.
    per_millis: int | None
    #: The capacity of a token bucket; None for the other algorithms.
    burst: int | None
    algorithm: Algorithm
    #: Where the limit comes from: set for this name, from a pattern, or carried by the last check.
    source: Literal["set", "file", "pattern", "carried"]
    mode: Mode
    remaining: int
    reset_at: datetime
    total_allowed: int
    total_denied: int
    total_allowed_cost: int
    total_denied_cost: int
    #: Checks that were allowed in mode "shadow" although they did not fit; not part of `total_allowed`.
    would_deny: int
    #: Units that reservations hold now.
    reserved: int
    last_allowed_at: datetime | None
    last_denied_at: datetime | None
    last_reset_at: datetime | None


class LimitStatus(_StatusAlways, total=False):
    """The status of a key or of a pattern. A time is None until its event has happened."""

    #: Of a calendar window: its unit, and its time zone.
    align: Align
    timezone: str
    #: The name of the pattern, if it is the source.
    pattern: str
    #: Of a pattern only: whether it holds also where a check carries a limit.
    override: bool
    #: Of a pattern only: how many keys live by it. Its totals and times sum up those and the forgotten ones.
    keys: int
    #: Of a limit that has several windows: each of them. `rate`, `per_millis`, `burst` and `algorithm` are those of the
    #: first one, `remaining` and `reset_at` those of the one with the least remaining.
    windows: list[WindowStatus]


class _EventAlways(TypedDict):
    seq: int
    at: datetime
    kind: Literal[
        "configured", "allowed", "denied", "reset", "would_deny", "charged", "reserved", "settled", "expired"
    ]
    #: Units consumed or, for `denied` and `would_deny`, those that did not fit; otherwise 0.
    cost: int
    #: The number of checks that a `denied` or `would_deny` sums up; otherwise 1.
    count: int


class Event(_EventAlways, total=False):
    """One event of a key in the log. The fields of the limit and `mode` are present if `kind` is `configured`."""

    mode: Mode
    rate: int
    per_millis: int | None
    burst: int | None
    algorithm: Algorithm
    align: Align
    timezone: str
    #: Of a limit that has several windows: each of them; the members above are those of the first one.
    windows: list[WindowRule]


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
    """The state of the data directory."""

    ok: bool
    data_dir: str
    limits: int
    #: The size in bytes of the log records that a reopen would read. The name is the original Flint's.
    aof_bytes: int
    snapshot_exists: bool
    snapshot_bytes: int
    last_seq: int
    durable_seq: int
    #: Storage failed: no changes are accepted until the directory is reopened.
    failed: bool
    #: Something is wrong, but all acknowledged data is present.
    degraded: bool
    findings: list[Finding]
    files: list[FileMap]


class ReservedItem(TypedDict):
    key: str
    #: The units that were reserved.
    cost: int


class ReservationStatus(TypedDict):
    """What a reservation holds."""

    #: Its id.
    reservation: str
    state: Literal["held", "committed", "cancelled", "expired"]
    items: list[ReservedItem]
    reserved_at: datetime
    #: When it expires, or has expired, unless it is settled before.
    expires_at: datetime
    on_expiry: OnExpiry
    #: When it was committed or cancelled; None until then.
    settled_at: datetime | None


class RuleDecisions(TypedDict):
    """What one rule decided."""

    #: The name of a pattern; `exact` for limits of their keys, `carried` for limits that came with checks, and `other`
    #: for patterns beyond the first hundred.
    rule: str
    allowed: int
    denied: int
    #: Checks that a limit in mode `shadow` allowed although they did not fit.
    would_deny: int
    #: Keys that were forgotten.
    forgotten_keys: int
    #: Of a pattern: keys that have usage under it.
    keys: int | None


class Decisions(TypedDict):
    """How many decisions there were."""

    allowed: int
    denied: int


# These have their own names because `list` is a method inside a limiter's class.
class _SettingKey(TypedDict):
    key: str


class LimitSetting(_SettingKey, total=False):
    """A limit as an entry of a limits file: with `limit`, with `windows`, or with the members of one window."""

    #: A rate string.
    limit: str
    windows: list[WindowDict]
    rate: int
    per: Period
    algorithm: Algorithm
    burst: int
    align: Align
    timezone: str
    override: bool
    mode: Mode


class _SettingState(WindowRule):
    mode: Mode
    override: bool


class SettingState(_SettingState, total=False):
    """A limit of its own that a name has, before or after an `apply()`."""

    #: Of a limit that has several; the members beside it are those of the first one.
    windows: list[WindowRule]


class LimitChange(TypedDict):
    key: str
    #: None if the name had no limit of its own.
    before: SettingState | None
    #: None if the limit is deleted.
    after: SettingState | None


class LimitChanges(TypedDict):
    """What `apply()` did, or with `dry_run` would do."""

    #: In byte order of the names.
    changes: list[LimitChange]
    #: How many of the given limits were so already.
    unchanged: int


class BackupReport(TypedDict):
    """A copy of a data directory."""

    directory: str
    #: Limits, patterns and keys in it.
    limits: int
    #: The copy has everything up to this event.
    last_seq: int
    bytes: int


Settings = Iterable[LimitSetting]
SettingList = list[LimitSetting]
Statuses = list[LimitStatus]
Windows = list[WindowDict]
Events = list[Event]
RuleCounts = list[RuleDecisions]
BatchResults = list[Union[CheckResult, FailedCheck]]
Settled = list[CheckResult]
