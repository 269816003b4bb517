"""What arguments may be, for both modes: TypeError and ValueError that name the argument, raised before anything
happens.

A SharedLimiter sends only what passed here. A Limiter reads the arguments of a check in C++ (native/arguments.cc), and
comes here for the words when they are wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple, Union

MAX_UNITS = 1 << 40
MAX_WINDOWS = 8
ALIGNS = ("day", "week", "month", "year")
TIMEZONE = re.compile("[A-Za-z0-9/_+-]{1,64}")
MAX_PERIOD_MS = 366 * 86_400_000
MAX_KEY_BYTES = 512
MAX_ITEMS = 128
MAX_CHECKS = 1000
MAX_REQUEST_ID_BYTES = 64
MAX_LISTED = 1_000_000_000
MAX_MAX_KEYS = 100_000_000
#: Of history() and top(), whose answers a server makes in memory.
MAX_ROWS = 10_000
#: The name of a reservation.
RESERVATION = re.compile("[0-9a-f]{32}")

ALGORITHMS = ("token_bucket", "sliding_window_log", "fixed_window_counter", "sliding_window_counter", "concurrency")
MODES = ("enforce", "shadow", "block")

_MAX_SECONDS = 86_400
_UNIT_MS = {"ms": 1, "": 1_000, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PERIOD = re.compile(r"([0-9]{1,20})(ms|s|m|h|d|)", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_TOKEN = re.compile("[\x21-\x7e]+")


class Limit(NamedTuple):
    """The rule for a key, in the units of the engine."""

    rate: int
    per_millis: int
    algorithm: str
    burst: int | None
    #: The windows after the first one, without further ones of their own.
    further: tuple[Limit, ...] = ()
    #: A calendar window: `day`, `week`, `month` or `year` of a time zone (`""`: UTC), with a per_millis of 0.
    align: str = ""
    timezone: str = ""

    @property
    def capacity(self) -> int:
        """What no cost may exceed: the lowest one of its windows."""
        own = self.rate if self.burst is None else self.burst
        return min(own, *(window.capacity for window in self.further)) if self.further else own

    @property
    def windows(self) -> tuple[Limit, ...]:
        """Each of them as a limit of one window."""
        first = Limit(self.rate, self.per_millis, self.algorithm, self.burst, (), self.align, self.timezone)
        return (first, *self.further)

    def is_same_window(self, other: Limit) -> bool:
        return (self.per_millis, self.align) == (other.per_millis, other.align)

    @property
    def length(self) -> str:
        """For messages."""
        return f"calendar {self.align}" if self.align else shown_period(self.per_millis)


def of_windows(windows: list[Limit]) -> Limit:
    """One limit of all these, each of which has one window."""
    first = windows[0]
    return Limit(
        first.rate, first.per_millis, first.algorithm, first.burst, tuple(windows[1:]), first.align, first.timezone
    )


#: What check_all decides on: a key, a cost, and the limit that comes with them.
Item = tuple[str, int, Union[Limit, None]]
#: What check_batch decides on: the same, whether it is a dry run, and the request's id.
Check = tuple[str, int, Union[Limit, None], bool, Union[str, None]]


def shown_period(millis: int) -> str:
    """In the largest unit that divides it."""
    units = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
    name, length = next((name, length) for name, length in units if millis % length == 0)
    return f"{millis // length}{name}"


def type_name(value: object) -> str:
    return "None" if value is None else type(value).__name__


def text(value: object, name: str) -> str:
    """`value` as an exact str that can be encoded."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type_name(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} must be valid Unicode: lone surrogate at position {error.start}.") from None
    return str.__str__(value)


def key(value: object, name: str = "key") -> str:
    if type(value) is str and value.isascii() and value.isprintable() and 0 < len(value) <= MAX_KEY_BYTES:
        if value[0] != " " or not value.isspace():
            return value
    checked = text(value, name)
    size = len(checked.encode())
    if not 1 <= size <= MAX_KEY_BYTES:
        raise ValueError(f"{name} must be 1 to {MAX_KEY_BYTES} bytes of UTF-8, not {size}.")
    if control := _CONTROL.search(checked):
        raise ValueError(f"{name} must not contain control characters: there is one at position {control.start()}.")
    if checked.isspace():
        raise ValueError(f"{name} must not be blank: it contains only white space.")
    return checked


def integer(value: object, name: str, most: int, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type_name(value)}.")
    if not least <= value <= most:
        shown = str(int(value)) if abs(value) < 1 << 64 else "one that does not fit into 64 bits"
        raise ValueError(f"{name} must be from {least} to {most}, not {shown}.")
    return int(value)


def units(value: object, name: str) -> int:
    return integer(value, name, MAX_UNITS)


def check(key_value: object, cost: object) -> tuple[str, int]:
    return key(key_value), units(cost, "cost")


def period(value: object, name: str = "per") -> int:
    """In milliseconds: an int of seconds, a str such as `250ms` or `1m`, or a timedelta."""
    if isinstance(value, timedelta):
        millis, rest = divmod(value, timedelta(milliseconds=1))
        if rest:
            raise ValueError(f"{name} must be a whole number of milliseconds.")
    elif isinstance(value, str):
        match = _PERIOD.fullmatch(value)
        if match is None:
            raise ValueError(f"{name} must be an integer and a unit (ms, s, m, h, d), such as '1m', not {value!r:.60}.")
        millis = int(match[1]) * _UNIT_MS[match[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        millis = value * 1_000
    else:
        raise TypeError(f"{name} must be an int of seconds, a str such as '1m' or a timedelta, not {type_name(value)}.")
    if not 1 <= millis <= MAX_PERIOD_MS:
        raise ValueError(f"{name} must be from 1ms to 366d.")
    return millis


def limit(rate: object, per: object, algorithm: object, burst: object, within: str = "") -> Limit:
    """`within` is put before the names, such as `limit.` for those of a dict."""
    checked_rate = units(rate, f"{within}rate")
    millis = period(per, f"{within}per")
    if not isinstance(algorithm, str):
        raise TypeError(f"{within}algorithm must be a str, not {type_name(algorithm)}.")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"{within}algorithm must be {', '.join(ALGORITHMS[:-1])} or {ALGORITHMS[-1]}.")
    if burst is None:
        return Limit(checked_rate, millis, str.__str__(algorithm), None)
    checked_burst = units(burst, f"{within}burst")
    if algorithm != "token_bucket":
        raise ValueError(f"{within}burst is for token_bucket only: leave it out for {str.__str__(algorithm)}.")
    return Limit(checked_rate, millis, str.__str__(algorithm), checked_burst)


def calendar(rate: object, align: object, timezone: object, algorithm: object, within: str = "") -> Limit:
    """A calendar window. Whether the machine knows the time zone is the engine's to say."""
    checked_rate = units(rate, f"{within}rate")
    if not isinstance(align, str):
        raise TypeError(f"{within}align must be a str, not {type_name(align)}.")
    if align not in ALIGNS:
        raise ValueError(f"{within}align must be day, week, month or year.")
    if algorithm is not None and algorithm != "fixed_window_counter":
        raise ValueError(f"{within}align is for fixed_window_counter only.")
    zone = "" if timezone is None else text(timezone, f"{within}timezone")
    if timezone is not None and not TIMEZONE.fullmatch(zone):
        raise ValueError(f"{within}timezone must be the IANA name of a time zone, such as Europe/Berlin.")
    unit = str.__str__(align)
    return Limit(checked_rate, 0, "fixed_window_counter", None, (), unit, "" if zone == "UTC" else zone)


def flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type_name(value)}.")
    return value


def request_id(value: object, dry_run: bool, name: str = "request_id") -> str | None:
    if value is None:
        return None
    checked = text(value, name)
    if not _TOKEN.fullmatch(checked) or len(checked) > MAX_REQUEST_ID_BYTES:
        raise ValueError(f"{name} must be 1 to {MAX_REQUEST_ID_BYTES} visible ASCII characters without spaces.")
    if dry_run:
        raise ValueError(f"{name} cannot come with dry_run: a dry run has no effect that a repeat could double.")
    return checked


def reservation(value: object) -> str:
    """An id that names none is one of a reservation that is not known."""
    checked = text(value, "reservation")
    if not RESERVATION.fullmatch(checked):
        raise ValueError("reservation must be the id of one: 32 hexadecimal digits.")
    return checked


def costs(value: object) -> dict[str, int]:
    """Of commit(): what was not given cost what was reserved."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"costs must be a dict of keys and costs, not {type_name(value)}.")
    given = dict(islice(value.items(), MAX_ITEMS + 1))
    if len(given) > MAX_ITEMS:
        raise ValueError(f"costs must have at most {MAX_ITEMS} keys, not more.")
    checked = {}
    for name, cost in given.items():
        checked[key(name, "a key of costs")] = integer(cost, f"costs[{name!r}]", MAX_UNITS, 0)
    return checked


def mode(value: object, name: str = "mode") -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type_name(value)}.")
    if value not in MODES:
        raise ValueError(f"{name} must be 'enforce', 'shadow' or 'block'.")
    return str.__str__(value)


def nonempty_prefix(value: object) -> str:
    """Of what changes all that begins with it."""
    checked = text(value, "prefix")
    if not checked:
        raise ValueError("prefix must not be empty: that would be every limit and every key.")
    return checked


def items(value: object, read_limit: Callable[[object, str], Limit | None]) -> list[Item]:
    """Of check_all: each item as a key, a cost and the limit that it carries, which `read_limit` reads."""
    if isinstance(value, (str, bytes, bytearray, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"items must be a list of keys, of (key, cost) or of dicts, not {type_name(value)}.")
    given: list[Any] = list(islice(value, MAX_ITEMS + 1))
    if not 1 <= len(given) <= MAX_ITEMS:
        raise ValueError(f"items must contain 1 to {MAX_ITEMS} keys, not {'more' if given else 'none'}.")
    return [_item(item, f"items[{index}]", read_limit, _ITEM)[:3] for index, item in enumerate(given)]


def checks(value: object, read_limit: Callable[[object, str], Limit | None]) -> list[Check | ValueError]:
    """Of check_batch: each check, or what is wrong with its values. A wrong type raises."""
    if isinstance(value, (str, bytes, bytearray, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"checks must be a list of keys, of (key, cost) or of dicts, not {type_name(value)}.")
    given: list[Any] = list(islice(value, MAX_CHECKS + 1))
    if len(given) > MAX_CHECKS:
        raise ValueError(f"checks must contain at most {MAX_CHECKS} checks, not more.")
    asked: list[Check | ValueError] = []
    for index, one in enumerate(given):
        try:
            asked.append(_item(one, f"checks[{index}]", read_limit, _CHECK))
        except ValueError as error:
            asked.append(error)
    return asked


_ITEM = ("key", "cost", "limit")
_CHECK = (*_ITEM, "dry_run", "request_id")


def _item(
    value: object, name: str, read_limit: Callable[[object, str], Limit | None], members: tuple[str, ...]
) -> Check:
    if isinstance(value, str):
        return key(value, name), 1, None, False, None
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} must be a key and a cost, not {len(value)} values.")
        return key(value[0], f"{name}[0]"), units(value[1], f"{name}[1]"), None, False, None
    if isinstance(value, Mapping):
        if value.keys() - set(members):
            raise ValueError(f"{name} must have no members but {', '.join(members[:-1])} and {members[-1]}.")
        if "key" not in value:
            raise ValueError(f"{name}.key is missing.")
        limit = read_limit(value.get("limit"), f"{name}.limit")
        dry_run = flag(value.get("dry_run", False), f"{name}.dry_run")
        named = request_id(value.get("request_id"), dry_run, f"{name}.request_id")
        return key(value["key"], f"{name}.key"), units(value.get("cost", 1), f"{name}.cost"), limit, dry_run, named
    raise TypeError(f"{name} must be a key, (key, cost) or a dict, not {type_name(value)}.")


def choice(value: object, name: str, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type_name(value)}.")
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}.")
    return str.__str__(value)


def rows(value: object) -> int:
    """`limit` of history() and top()."""
    return integer(value, "limit", MAX_ROWS)


def page(prefix: object, after: object, limit_value: object, keys: object) -> tuple[str, str, int, bool]:
    most = MAX_LISTED if limit_value is None else integer(limit_value, "limit", MAX_LISTED)
    return text(prefix, "prefix"), text(after, "after"), most, flag(keys, "keys")


def path(value: object, name: str) -> bytes:
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {type_name(value)}.")
    try:
        encoded = os.fsencode(value)
    except UnicodeEncodeError:
        raise ValueError(f"{name} cannot be encoded for the file system.") from None
    if not encoded or b"\0" in encoded:
        raise ValueError(f"{name} must be a path: it {'holds a NUL' if encoded else 'is empty'}.")
    return encoded


def most_keys(max_keys: object, on_full: object) -> tuple[int, bool]:
    """And whether a check of one more key is allowed."""
    most = integer(max_keys, "max_keys", MAX_MAX_KEYS)
    return most, choice(on_full, "on_full", ("deny", "allow")) == "allow"


def seconds(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type_name(value)}.")
    if not 0 < value <= _MAX_SECONDS:
        raise ValueError(f"{name} must be above 0 seconds and at most a day.")
    return float(value)


def wait(value: object, name: str) -> float:
    """In seconds; 0 is not to wait."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type_name(value)}.")
    if not 0 <= value <= _MAX_SECONDS:
        raise ValueError(f"{name} must be from 0 seconds to a day.")
    return float(value)


def token(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"token must be a str, not {type_name(value)}.")
    if not _TOKEN.fullmatch(value):
        raise ValueError("token must be one or more visible ASCII characters without spaces.")
    return str.__str__(value)


def policy(value: object, name: str = "policy") -> str:
    """The name of a limit in header fields."""
    checked = text(value, name)
    if not checked or not checked.isascii() or not checked.isprintable():
        raise ValueError(f"{name} must be one or more printable ASCII characters.")
    return checked
