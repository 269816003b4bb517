"""What a check answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from flint_limiter._windows import WindowStatus

# The members of the API's decision, which are the attributes.
_MEMBERS = {
    "key": str,
    "allowed": bool,
    "cost": int,
    "limit": int,
    "remaining": int,
    "reset_at": datetime,
    "reset_after_ms": int,
    "retry_after_ms": Optional[int],
    "algorithm": str,
}

_UNKNOWN_TIMEZONE = (
    'the time zone "{}" of this limit is not known on this machine: '
    "install its zone data (tzdata), or change the limit."
)


def _in_utc(time: datetime) -> str:
    """RFC 3339."""
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class PythonCheckResult:
    """A decision. True when allowed, so that `if limiter.check(key):` reads as it should."""

    key: str
    allowed: bool
    #: Units that were asked for; consumed only when allowed.
    cost: int
    #: The capacity: `burst` (or `rate`) of a token bucket, else `rate`.
    limit: int
    #: Whole units left after the decision.
    remaining: int
    #: UTC, aware. When the key is back to what its algorithm promises.
    reset_at: datetime
    reset_after_ms: int
    #: 0 when allowed; else the earliest time at which this cost could pass, rounded up. None when the limit is in mode
    #: "block": no time makes it pass.
    retry_after_ms: int | None
    #: `unavailable` when no server decided.
    algorithm: str
    #: The key is new, and there are as many as `max_keys` allows: `on_full` decided, and nothing was consumed.
    keys_full: bool = False
    #: None unless the limit is in mode "shadow": whether it would have denied the check, which then consumed nothing.
    would_deny: bool | None = None
    #: Of a limit that has several windows: a dict for each, with `rate`, `per_millis`, `burst`, `algorithm`, `limit`,
    #: `remaining`, `reset_at`, `reset_after_ms` and `retry_after_ms`; else (). The attributes above are those of the
    #: window that denied with the longest wait, else of the one with the least remaining.
    windows: tuple[WindowStatus, ...] = field(default=(), hash=False)
    #: The limit goes by the calendar of this time zone, which the limiter's machine does not know (any more): where a
    #: new window would begin, everything is denied. None for all other decisions.
    unknown_timezone: str | None = None

    @property
    def degraded(self) -> bool:
        """Whether it was answered without a decision: by `on_error` of a SharedLimiter, because its server did not
        answer (`limit` and `remaining` are then 0), or by `on_full="allow"`, because there are too many keys."""
        return self.algorithm == "unavailable" or (self.keys_full and self.allowed)

    @property
    def error(self) -> None:
        """None: this is a decision. See FailedCheck."""
        return None

    def __bool__(self) -> bool:
        return self.allowed

    def as_dict(self) -> dict[str, Any]:
        """What the HTTP API says of this decision, ready for JSON: `reset_at` is RFC 3339. Has `degraded` if true; with
        `keys_full`, it has that as `code`, and `degraded` always. With `unknown_timezone`, it has that as `code`, and a
        `message`. Has `would_deny` unless that is None."""
        document = {name: getattr(self, name) for name in _MEMBERS}
        document["reset_at"] = _in_utc(self.reset_at)
        if self.keys_full:
            document["code"] = "keys_full"
        elif self.unknown_timezone is not None:
            document["code"] = "unknown_timezone"
            document["message"] = _UNKNOWN_TIMEZONE.format(self.unknown_timezone)
        if self.degraded or self.keys_full:
            document["degraded"] = self.degraded
        if self.would_deny is not None:
            document["would_deny"] = self.would_deny
        if self.windows:
            document["windows"] = [{**window, "reset_at": _in_utc(window["reset_at"])} for window in self.windows]
        return document

    # With these two dict(result) is as_dict(), and so a route of FastAPI can return a result.

    def keys(self) -> Iterable[str]:
        return self.as_dict().keys()

    def __getitem__(self, name: str) -> Any:
        return self.as_dict()[name]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets pydantic, and so FastAPI, take the class as the type of an answer."""
        from pydantic_core import core_schema

        schemas: dict[Any, Callable[[], Any]] = {
            str: core_schema.str_schema,
            bool: core_schema.bool_schema,
            int: core_schema.int_schema,
            Optional[int]: lambda: core_schema.nullable_schema(core_schema.int_schema()),
            datetime: lambda: core_schema.str_schema(metadata={"pydantic_js_updates": {"format": "date-time"}}),
        }
        fields = {name: core_schema.typed_dict_field(schemas[kind]()) for name, kind in _MEMBERS.items()}
        for name in ("code", "message"):
            fields[name] = core_schema.typed_dict_field(core_schema.str_schema(), required=False)
        for name in ("degraded", "would_deny"):
            fields[name] = core_schema.typed_dict_field(core_schema.bool_schema(), required=False)
        fields["windows"] = core_schema.typed_dict_field(
            core_schema.list_schema(core_schema.dict_schema(core_schema.str_schema())), required=False
        )
        document = core_schema.typed_dict_schema(fields, cls_name="CheckResult")
        to_dict = core_schema.plain_serializer_function_ser_schema(cls.as_dict, return_schema=document)
        return core_schema.is_instance_schema(cls, serialization=to_dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)


# The extension has the same class, made in a fraction of the time (python/native/check_result.h). Whichever is there is
# flint.CheckResult, in either mode, and pickles of one are read by the other. What a check does not need is written
# once, above.
PythonCheckResult.__module__ = "flint_limiter"
PythonCheckResult.__qualname__ = PythonCheckResult.__name__ = "CheckResult"

# FastAPI would make a dict of a dataclass in its own way, and the other class is none.
del PythonCheckResult.__dataclass_fields__


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A check of `check_batch()` that got no decision. False, like a denial."""

    #: What `check()` would have raised.
    error: Exception

    @property
    def allowed(self) -> bool:
        """False."""
        return False

    def __bool__(self) -> bool:
        return False


FailedCheck.__module__ = "flint_limiter"

if TYPE_CHECKING:
    CheckResult = PythonCheckResult
else:
    try:
        from flint_limiter._native import CheckResult

        for _name in ("degraded", "error", "as_dict", "keys", "__getitem__", "__get_pydantic_core_schema__"):
            setattr(CheckResult, _name, PythonCheckResult.__dict__[_name])
    except ImportError:
        CheckResult = PythonCheckResult
