"""The exceptions, and the one table from failures to them."""

from __future__ import annotations

import pickle
from datetime import datetime, timezone

import pytest

import flint
from flint_limiter import _failures, _native


def test_every_failure_of_the_engine_has_an_exception() -> None:
    # Only a server can be sent what is not JSON.
    assert set(_native.CODES) | {"invalid_json"} == set(_failures.EXCEPTIONS)
    for code in _native.CODES:
        error = _failures.exception_for(code, "A sentence.")
        assert isinstance(error, (flint.FlintError, ValueError))
        assert str(error) == "A sentence."


def test_an_answer_of_the_server_is_the_same_exception_as_in_this_process() -> None:
    for code, kind in _failures.EXCEPTIONS.items():
        error = _failures.exception_from_server(503, code, "A sentence.")
        if code in ("closed", "unavailable", "not_found"):
            assert type(error) is flint.FlintServerError
        else:
            assert type(error) is kind


def test_what_only_a_server_says_has_its_status() -> None:
    error = _failures.exception_from_server(401, "unauthorized", "The token is wrong.")
    assert type(error) is flint.FlintServerError
    assert (error.status, error.message) == (401, "The token is wrong.")
    assert str(error) == "The token is wrong. (HTTP 401)"


@pytest.mark.parametrize(
    "kind",
    [
        flint.DataDirLocked,
        flint.LimitNotConfigured,
        flint.StorageError,
        flint.FlintServerError,
        flint.FlintConnectionError,
        flint.RateLimitExceeded,
    ],
)
def test_all_but_errors_of_arguments_are_flint_errors(kind: type[Exception]) -> None:
    assert issubclass(kind, flint.FlintError)
    assert issubclass(kind, RuntimeError)


def test_exceptions_come_back_whole_from_another_process() -> None:
    reset_at = datetime(2026, 11, 23, tzinfo=timezone.utc)
    exceeded = flint.RateLimitExceeded("k", 2, 1, reset_at, 0.25, "token_bucket")
    back = pickle.loads(pickle.dumps(exceeded))
    assert type(back) is flint.RateLimitExceeded
    assert vars(back) == vars(exceeded)
    assert str(back) == str(exceeded)
    server = pickle.loads(pickle.dumps(flint.FlintServerError(503, "Stopping.")))
    assert (server.status, server.message, str(server)) == (503, "Stopping.", "Stopping. (HTTP 503)")
