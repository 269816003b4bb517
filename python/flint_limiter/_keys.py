"""One rule that makes a valid key of any text, for keys that a client has a say in."""

from __future__ import annotations

import hashlib

from flint_limiter import _arguments

# Of the text, as long as the prefix that stays may be; with the hash it is far below the bound of a key.
_MAX_PREFIX = 128
_HASH_DIGITS = 32


def valid_key(text: str) -> str:
    """A key for `text`, whatever is in it: always the same for the same text.

    1. A valid key stays as it is: 1 to 512 bytes of UTF-8, not blank, without control characters.
    2. Text that becomes a valid key when its characters are taken for the bytes of UTF-8 is that key. Servers read the
       fields of a request as Latin-1, so that a name in UTF-8 arrives like this.
    3. Of anything else (too long, empty, blank, with control characters or lone surrogates) the key is `sha256-` and 32
       hexadecimal digits of its hash. What comes before it up to the last `:` stays, if it is valid and at most 128
       characters: `user:` and a name that is too long become `user:sha256-...`.

    The middlewares, the dependency and `rate_limit` use it for what their key functions return. Raises TypeError for
    what is not a str.
    """
    try:
        return _arguments.key(text)
    except ValueError:
        pass
    try:
        return _arguments.key(text.encode("latin-1").decode())
    except ValueError:
        pass
    data = text.encode("utf-8", "surrogatepass")
    return f"{_valid_prefix(text)}sha256-{hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]}"


def _valid_prefix(text: str) -> str:
    prefix = text[:_MAX_PREFIX]
    while colon := prefix.rpartition(":")[0]:
        try:
            return _arguments.key(f"{colon}:")
        except ValueError:
            prefix = colon
    return ""
