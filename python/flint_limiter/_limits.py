"""The two forms of a limit in arguments: a rate string, or rate, per, algorithm and burst."""

from __future__ import annotations

from flint_limiter import _arguments, _rate_string


def limit(text: object, rate: object, per: object, algorithm: object, burst: object) -> _arguments.Limit:
    """Of limit() and rate_limit(); None is what was not given."""
    if text is not None:
        if given := _given(rate=rate, per=per, algorithm=algorithm, burst=burst):
            raise TypeError(f"limit takes the place of rate, per, algorithm and burst: leave out {given}, or limit.")
        return _rate_string.parse(_arguments.text(text, "limit"))
    if rate is None and per is None:
        raise TypeError("limit must be given: a str such as '100/m', or both rate and per.")
    return _in_fields(rate, per, algorithm, burst)


def limit_of_requests(rate: object, per: object, algorithm: object, burst: object) -> _arguments.Limit | None:
    """Of the middlewares: `rate` may be a rate string, and None of all is for limits that are configured elsewhere."""
    if isinstance(rate, str):
        if given := _given(per=per, algorithm=algorithm, burst=burst):
            raise TypeError(f"rate is a str, which takes the place of per, algorithm and burst: leave out {given}.")
        return _rate_string.parse(_arguments.text(rate, "rate"), "rate")
    if (rate is None) != (per is None):
        raise TypeError("give both rate and per, or neither when the limits are configured elsewhere.")
    if rate is not None:
        return _in_fields(rate, per, algorithm, burst)
    if algorithm is not None or burst is not None:
        raise TypeError("algorithm and burst need rate and per.")
    return None


def _given(**arguments: object) -> str:
    return ", ".join(name for name, value in arguments.items() if value is not None)


def _in_fields(rate: object, per: object, algorithm: object, burst: object) -> _arguments.Limit:
    return _arguments.limit(rate, per, "token_bucket" if algorithm is None else algorithm, burst)
