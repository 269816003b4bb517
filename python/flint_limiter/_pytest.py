"""The pytest plugin. Loaded with every run of pytest, so it imports Flint only when a test asks for the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flint_limiter.testing import MemoryLimiter


@pytest.fixture
def flint_limiter() -> Iterator[MemoryLimiter]:
    """A `flint.testing.MemoryLimiter`: empty, in memory, its `clock` moved by the test."""
    from flint_limiter.testing import MemoryLimiter

    with MemoryLimiter() as limiter:
        yield limiter
