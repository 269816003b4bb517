"""A batch of checks: those that can be read are decided together, and each result gets its place."""

from __future__ import annotations

from collections.abc import Sequence

from flint_limiter._arguments import Check
from flint_limiter._result import FailedCheck
from flint_limiter._types import BatchResults


def readable(asked: Sequence[Check | ValueError]) -> list[Check]:
    return [one for one in asked if not isinstance(one, ValueError)]


def in_order(asked: Sequence[Check | ValueError], results: BatchResults) -> BatchResults:
    """`results` are those of readable()."""
    if len(results) == len(asked):
        return results
    rest = iter(results)
    return [FailedCheck(one) if isinstance(one, ValueError) else next(rest) for one in asked]
