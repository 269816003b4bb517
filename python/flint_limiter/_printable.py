"""Text of others in messages: what cannot be seen, or acts on a terminal, is written as an escape."""

from __future__ import annotations

import re

# str.isprintable() takes these for printable, although they have no shape.
_WITHOUT_SHAPE = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def printable(text: str) -> str:
    """`text` without control, directional and invisible characters, and without blanks but the space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() and not _WITHOUT_SHAPE.match(character):
        return character
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
