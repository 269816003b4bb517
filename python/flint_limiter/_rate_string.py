"""Limits as text: `100/m`, `10/s burst 20`. The grammar and the sentences are those of src/base/rate_string.cc."""

from __future__ import annotations

import re
from functools import lru_cache

from flint_limiter._arguments import (
    ALGORITHMS,
    ALIGNS,
    MAX_PERIOD_MS,
    MAX_UNITS,
    MAX_WINDOWS,
    TIMEZONE,
    Limit,
    of_windows,
    shown_period,
)

_MAX_BYTES = 1024
_LONGEST_SHOWN = 40

_LIKE_THIS = "Write it like 100/m or 10/s burst 20."
_COMMAS = "Separate rates with commas, like 10/s, 1000/h."
_NO_COMMAS = "Write numbers without commas, like 1000/h or 1_000/h."
_UNIT = "Write ms, s, m, h or d in lower case, or a word such as minute."
_CALENDAR_LIKE = "Write it like 1000 per calendar month in Europe/Berlin."
_UP_TO_SPACE_OR_COMMA = re.compile(" *([^ ,]*)")
_WHOLE = "Write whole numbers: 1/2s for 0.5/s, 90m for 1.5h."
_OPTIONS = f"After the period, write burst 20 or {', '.join(ALGORITHMS[:-1])} or {ALGORITHMS[-1]}."

_NOT_PRINTABLE = re.compile("[^ -~]")
_TOKEN = re.compile("[0-9][0-9_]*|[A-Za-z][A-Za-z0-9_]*|[^ ]")
_NUMBER = re.compile("[0-9]+(?:_[0-9]+)*")

# In lower case only: elsewhere, M is a month.
_SYMBOLS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WORDS = {
    **dict.fromkeys(("msec", "millisecond"), 1),
    **dict.fromkeys(("sec", "second"), 1_000),
    **dict.fromkeys(("min", "minute"), 60_000),
    **dict.fromkeys(("hr", "hour"), 3_600_000),
    "day": 86_400_000,
}
_UNITS = {**_SYMBOLS, **_WORDS, **{f"{word}s": millis for word, millis in _WORDS.items()}}
_CALENDAR = re.compile("(?:w|week|mo|month|y|year)s?")
_SEPARATORS = (";", "|", "&", "+", "and")


def parse(text: str, name: str = "limit") -> Limit:
    """The limit that `text` says. Raises ValueError with a sentence that begins with `name` and says what to write."""
    try:
        return _parse(text)
    except _Refusal as refusal:
        raise ValueError(f"{name} {refusal}") from None


def shown(limit: Limit) -> str:
    """The shortest rate string that says `limit`; parse() may refuse it where a time zone has an odd name."""
    return ", ".join(map(_shown_window, limit.windows))


def _shown_window(window: Limit) -> str:
    if window.align:
        return f"{window.rate}/calendar {window.align}" + (f" in {window.timezone}" if window.timezone else "")
    period = shown_period(window.per_millis)
    # One of a unit is written without the number.
    text = f"{window.rate}/{period[1:] if period[0] == '1' and not period[1].isdigit() else period}"
    if window.burst is not None:
        text += f" burst {window.burst}"
    return text if window.algorithm == ALGORITHMS[0] else f"{text} {window.algorithm}"


class _Refusal(Exception):
    """What is wrong with a rate string, without the argument's name."""


@lru_cache(maxsize=1024)
def _parse(text: str) -> Limit:
    size = len(text.encode())
    if size > _MAX_BYTES:
        raise _refusal(f"must be at most {_MAX_BYTES} bytes, not {size}.")
    if odd := _NOT_PRINTABLE.search(text):
        raise _refusal(f"must be printable ASCII: the byte at offset {odd.start()} is not.")
    return _Parser(text).limit()


def _refusal(problem: str, advice: str = _LIKE_THIS) -> _Refusal:
    return _Refusal(f"{problem} {advice}")


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= _LONGEST_SHOWN else f"a text of {len(text)} bytes"


def _check_range(field: str, text: str, units: int) -> None:
    if not 1 <= units <= MAX_UNITS:
        raise _refusal(f"must have a {field} from 1 to {MAX_UNITS}, not {_shown(text)}.")


class _Parser:
    """Reads each token once, and looks at no more than the next one, which is empty at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._previous = ""
        self._next = ""
        # Where in the text the next token is.
        self._begin = self._end = 0
        self._take()

    def _take(self) -> None:
        self._previous = self._next
        match = _TOKEN.search(self._text, self._end)
        self._next = match[0] if match else ""
        self._begin, self._end = match.span() if match else (len(self._text), len(self._text))

    def limit(self) -> Limit:
        if not self._next:
            raise _refusal("must not be empty.")
        windows = [self._window()]
        while self._next:
            if len(windows) == MAX_WINDOWS:
                raise _refusal(f"must have at most {MAX_WINDOWS} rates.", "Leave out some.")
            self._take()  # the comma
            window = self._window()
            if any(window.is_same_window(before) for before in windows):
                raise _refusal(f"must not have two rates per {window.length}.", "Keep one of them.")
            windows.append(window)
        return of_windows(windows)

    def _window(self) -> Limit:
        text = self._next
        rate = self._number("a whole number of units")
        if self._next != "/" and self._next.lower() != "per":
            raise self._expected('"/" or "per"', _NO_COMMAS if self._next == "," else _LIKE_THIS)
        _check_range("rate", text, rate)
        self._take()
        if self._next.lower() == "calendar":
            return self._calendar(rate)
        millis = self._period()
        burst, algorithm = self._options()
        if burst is not None and algorithm not in (None, "token_bucket"):
            raise _refusal(f"must not have a burst with {algorithm}.", "Leave out the burst, or choose token_bucket.")
        return Limit(rate, millis, algorithm or "token_bucket", burst)

    def _calendar(self, rate: int) -> Limit:
        self._take()
        align = self._next.lower()
        if align not in ALIGNS:
            raise self._expected("day, week, month or year", _CALENDAR_LIKE)
        self._take()
        timezone = ""
        if self._next.lower() == "in":
            timezone = self._timezone()
        if self._next.lower() == "fixed_window_counter":
            self._take()
        if self._next not in ("", ","):
            raise _refusal(f"cannot continue with {_shown(self._next)}.", _CALENDAR_LIKE)
        return Limit(rate, 0, "fixed_window_counter", None, (), align, timezone)

    def _timezone(self) -> str:
        """Its name is all up to the next space or comma. Whether the machine knows it is the engine's to say."""
        match = _UP_TO_SPACE_OR_COMMA.match(self._text, self._end)
        assert match is not None
        if not TIMEZONE.fullmatch(match[1]):
            raise _refusal(f"has an unknown time zone, {_shown(match[1])}.", _CALENDAR_LIKE)
        self._end = match.end()
        self._take()
        return "" if match[1] == "UTC" else match[1]

    def _period(self) -> int:
        begin = self._begin
        count = self._number("a number") if self._next[:1].isdigit() else 1
        if not self._next[:1].isalpha():
            raise self._expected("a unit of time", _UNIT)
        unit = _UNITS.get(self._next if self._next.lower() in _SYMBOLS else self._next.lower())
        if unit is None:
            calendar = _CALENDAR.fullmatch(self._next.lower())
            raise _refusal(
                f"has an unknown unit of time, {_shown(self._next)}.",
                "Write days, such as 7d or 30d, or calendar month." if calendar else _UNIT,
            )
        text = self._text[begin : self._end]
        self._take()
        if not 1 <= count * unit <= MAX_PERIOD_MS:
            raise _refusal(f"must have a period from 1ms to 366d, not {_shown(text)}.")
        return count * unit

    def _options(self) -> tuple[int | None, str | None]:
        burst = algorithm = None
        while word := self._next.lower():
            if word == "burst":
                if burst is not None:
                    raise _refusal("has two bursts.", "Write one.")
                self._take()
                text = self._next
                burst = self._number("a whole number")
                _check_range("burst", text, burst)
            elif word in ALGORITHMS:
                if algorithm is not None:
                    raise _refusal("has two algorithms.", "Write one.")
                algorithm = word
                self._take()
            elif word == ",":
                break
            else:
                advice = _COMMAS if word in _SEPARATORS else _OPTIONS
                raise _refusal(f"cannot continue with {_shown(self._next)}.", advice)
        return burst, algorithm

    def _number(self, what: str) -> int:
        if not self._next[:1].isdigit():
            raise self._expected(what)
        text = self._next
        if not _NUMBER.fullmatch(text):
            raise _refusal(f'needs a digit on both sides of each "_", not {_shown(text)}.', "Write it like 1_000/h.")
        self._take()
        return int(text)

    def _expected(self, what: str, advice: str = _LIKE_THIS) -> _Refusal:
        where = f"after {_shown(self._previous)}" if self._previous else "first"
        found = f", not {_shown(self._next)}" if self._next else ""
        return _refusal(f"needs {what} {where}{found}.", _WHOLE if self._next == "." else advice)
