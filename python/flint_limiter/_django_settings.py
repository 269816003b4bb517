"""What settings.FLINT of a Django project says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from flint_limiter import _arguments
from flint_limiter._contract import AbstractLimiter

if TYPE_CHECKING:
    from flint_limiter._reservation import Reservation
    from flint_limiter._result import CheckResult
    from flint_limiter._types import CarriedLimit, CheckAllResult, Items, Period, ReservedItems

Made = TypeVar("Made")

# No rate string is one of these: it begins with a digit.
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_OBJECTS = ("limiter", "key_func", "rate", "cost", "exempt_when", "on_denied", "deduct_when")


def options() -> dict[str, Any]:
    """The members of settings.FLINT, with dotted paths replaced by what they name. Empty without such a setting."""
    read = _resolved(_setting(), "")
    if isinstance(read.get("limits"), (list, tuple)):
        read["limits"] = [
            _resolved(entry, f"limits[{index}].") if isinstance(entry, Mapping) else entry
            for index, entry in enumerate(read["limits"])
        ]
    return read


def configured(make: Callable[[], Made]) -> Made:
    """What `make` returns; its errors say that the setting is wrong."""
    try:
        return make()
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"settings.FLINT: {error}") from error


# A test can override the setting, so these two read it for each request.


def enabled() -> bool:
    """Whether anything is limited."""
    value = _setting().get("enabled", True)
    return value if isinstance(value, bool) else configured(lambda: _arguments.flag(value, "enabled"))


def limiter() -> AbstractLimiter:
    found = _object(_setting().get("limiter"), "limiter")
    if not isinstance(found, AbstractLimiter):
        raise ImproperlyConfigured(
            "settings.FLINT['limiter'] must be a limiter, such as flint.SharedLimiter(), or the dotted path of one, "
            f"not {_arguments.type_name(found)}."
        )
    return found


def _setting() -> Mapping[Any, Any]:
    given = getattr(settings, "FLINT", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"settings.FLINT must be a dict, not {_arguments.type_name(given)}.")
    return given


def _resolved(given: Mapping[Any, Any], within: str) -> dict[str, Any]:
    return {
        name: _object(value, f"{within}{name}") if name in _OBJECTS else value for name, value in given.items()
    }


def _object(value: Any, name: str) -> Any:
    if not isinstance(value, str) or not _DOTTED.fullmatch(value):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ImproperlyConfigured(f"settings.FLINT: {name} is {value}, which cannot be imported: {error}") from error


class SettingsLimiter:
    """The limiter of the settings, looked up with each check."""

    def check(
        self, key: str, cost: int = 1, *, limit: CarriedLimit | None = None, dry_run: bool = False
    ) -> CheckResult:
        return limiter().check(key, cost, limit=limit, dry_run=dry_run)

    async def acheck(
        self, key: str, cost: int = 1, *, limit: CarriedLimit | None = None, dry_run: bool = False
    ) -> CheckResult:
        return await limiter().acheck(key, cost, limit=limit, dry_run=dry_run)

    def check_all(self, items: Items, *, dry_run: bool = False) -> CheckAllResult:
        return limiter().check_all(items, dry_run=dry_run)

    async def acheck_all(self, items: Items, *, dry_run: bool = False) -> CheckAllResult:
        return await limiter().acheck_all(items, dry_run=dry_run)

    def reserve(self, items: ReservedItems, *, ttl: Period) -> Reservation:
        return limiter().reserve(items, ttl=ttl)

    async def areserve(self, items: ReservedItems, *, ttl: Period) -> Reservation:
        return await limiter().areserve(items, ttl=ttl)
