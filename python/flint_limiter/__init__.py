"""Flint: a rate limiter that remembers.

`open` gives all processes the same limiter of a data directory. `Limiter` opens one in this process alone;
`SharedLimiter` asks a server that somebody started. All have the methods of `AbstractLimiter`.

    limiter = flint.open(".flint")
    limiter.limit("api:user-42", "100/m")
    if limiter.allow("api:user-42"):
        ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import (
    DataDirLocked,
    FlintConnectionError,
    FlintError,
    FlintServerError,
    LimitNotConfigured,
    RateLimitExceeded,
    ReservationNotFound,
    StorageError,
)
from flint_limiter._header_fields import headers
from flint_limiter._keys import valid_key
from flint_limiter._open import DirectoryLimiter, open
from flint_limiter._reservation import Reservation
from flint_limiter._result import CheckResult, FailedCheck
from flint_limiter._shared import SharedLimiter
from flint_limiter._types import (
    Algorithm,
    BackupReport,
    Check,
    CheckAllResult,
    DoctorReport,
    Event,
    Item,
    LimitChange,
    LimitChanges,
    LimitSetting,
    LimitStatus,
    Mode,
    Period,
    ReservationStatus,
    WindowStatus,
)

if TYPE_CHECKING:
    from flint_limiter._limiter import Limiter, backup
    from flint_limiter.prometheus import CONTENT_TYPE, add_prometheus_route, prometheus_collector, prometheus_metrics

    __version__: str

__all__ = [
    "AbstractLimiter",
    "Algorithm",
    "BackupReport",
    "CONTENT_TYPE",
    "Check",
    "CheckAllResult",
    "CheckResult",
    "DataDirLocked",
    "DirectoryLimiter",
    "DoctorReport",
    "Event",
    "FailedCheck",
    "FlintConnectionError",
    "FlintError",
    "FlintServerError",
    "Item",
    "LimitChange",
    "LimitChanges",
    "LimitNotConfigured",
    "LimitSetting",
    "LimitStatus",
    "Limiter",
    "Mode",
    "Period",
    "RateLimitExceeded",
    "Reservation",
    "ReservationNotFound",
    "ReservationStatus",
    "SharedLimiter",
    "StorageError",
    "WindowStatus",
    "add_prometheus_route",
    "backup",
    "headers",
    "open",
    "prometheus_collector",
    "prometheus_metrics",
    "valid_key",
]


def __getattr__(name: str) -> Any:
    if name in ("Limiter", "backup"):
        # Imported on demand, so that SharedLimiter works where the extension cannot be loaded.
        try:
            from flint_limiter import _limiter
        except ImportError as error:
            raise ImportError(
                f"flint.{name} needs the extension module flint_limiter._native, which cannot be loaded ({error}); "
                "flint.SharedLimiter does not"
            ) from error
        globals()[name] = getattr(_limiter, name)
        return globals()[name]
    if name in ("CONTENT_TYPE", "add_prometheus_route", "prometheus_collector", "prometheus_metrics"):
        from flint_limiter import prometheus

        return getattr(prometheus, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("flint-limiter")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
