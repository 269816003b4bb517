"""The rule that makes a valid key of any text, for keys that a client can influence."""

from __future__ import annotations

from flint_limiter import _arguments

# The longest prefix of the text that is kept, in characters; with the hash it is far below the longest key.
_MAX_PREFIX = 128
_HASH_DIGITS = 32


def valid_key(text: str) -> str:
    """Return a valid key for any `text`, always the same key for the same text.

    1. A valid key stays as it is: 1 to 512 bytes of UTF-8, not blank, without control characters. A text with a `*` is
       none here, because that is how patterns are named.
    2. If the text becomes a valid key when its characters are read as the bytes of UTF-8, it is that key. Servers read
       the fields of a request as Latin-1, so a name in UTF-8 arrives in this form.
    3. For any other text (too long, empty, blank, with `*`, control characters or lone surrogates), the key
       is `sha256-` and 32 hexadecimal digits of the text's hash. The text up to the last `:` is kept as a
       prefix, if it is valid and at most 128 characters long: `user:` and a name that is too long become
       `user:sha256-...`.

    The middlewares, the dependency and `rate_limit` apply this rule to the results of their key functions. Raises
    TypeError if `text` is not a str.
    """
    try:
        return _key_of_no_pattern(text)
    except ValueError:
        pass
    try:
        return _key_of_no_pattern(text.encode("latin-1").decode())
    except ValueError:
        pass
    from hashlib import sha256

    data = text.encode("utf-8", "surrogatepass")
    return f"{_valid_prefix(text)}sha256-{sha256(data).hexdigest()[:_HASH_DIGITS]}"


def fixed_key(value: object, name: str) -> str:
    """`key` of what checks on behalf of others, where it is no function."""
    return _key_of_no_pattern(_arguments.key(value, name), name)


def _key_of_no_pattern(text: str, name: str = "key") -> str:
    key = _arguments.key(text, name)
    if "*" in key:
        raise ValueError(f"{name} must not contain a *, which names patterns.")
    return key


def _valid_prefix(text: str) -> str:
    prefix = text[:_MAX_PREFIX]
    while colon := prefix.rpartition(":")[0]:
        try:
            return _key_of_no_pattern(f"{colon}:")
        except ValueError:
            prefix = colon
    return ""
