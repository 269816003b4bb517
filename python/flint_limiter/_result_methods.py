"""What the results of checks do that is not for each check: written once, for the two classes of _result.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


class ResultMethods:
    __slots__ = ()

    if TYPE_CHECKING:
        key: str
        allowed: bool
        cost: int
        limit: int
        remaining: int
        reset_at: datetime
        reset_after_ms: int
        retry_after_ms: int | None
        algorithm: str
        keys_full: bool
        would_deny: bool | None
        windows: tuple[WindowStatus, ...]
        unknown_timezone: str | None

    @property
    def degraded(self) -> bool:
        """Whether it was answered without a decision: by `on_error` of a SharedLimiter, because its server did not
        answer (`limit` and `remaining` are then 0), or by `on_full="allow"`, because there are too many keys."""
        return self.algorithm == "unavailable" or (self.keys_full and self.allowed)

    @property
    def error(self) -> None:
        """None: this is a decision. See FailedCheck."""
        return None

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


class FailedCheck:
    """A check of `check_batch()` that got no decision. False, like a denial."""

    __slots__ = ("error",)
    __match_args__ = ("error",)
    #: What `check()` would have raised.
    error: Exception

    def __init__(self, error: Exception) -> None:
        object.__setattr__(self, "error", error)

    @property
    def allowed(self) -> bool:
        """False."""
        return False

    def __bool__(self) -> bool:
        return False

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return self.error == other.error if type(other) is FailedCheck else NotImplemented

    def __hash__(self) -> int:
        return hash(self.error)

    def __repr__(self) -> str:
        return f"FailedCheck(error={self.error!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return FailedCheck, (self.error,)


FailedCheck.__module__ = "flint_limiter"
