"""The logger `flint`. The package logging is imported when there is something to say."""

from __future__ import annotations


def warning(words: str, *arguments: object) -> None:
    from logging import getLogger

    getLogger("flint").warning(words, *arguments, stacklevel=2)


def debug(words: str, *arguments: object) -> None:
    from logging import getLogger

    getLogger("flint").debug(words, *arguments, stacklevel=2)
