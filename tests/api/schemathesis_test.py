"""Generated requests, right and wrong, to a live server: no crash, no status or answer that openapi.yaml does not have.

    .venv/bin/python -m pytest tests/api/schemathesis_test.py

Schemathesis is no package of Debian: the "contract" extra of pyproject.toml names it, and without it nothing is run.
FLINT is the program to try (else that of build/release, build/dev or .venv, the first there is), FLINT_EXAMPLES how
many requests each operation gets beside those that cover the edges of its schema.
"""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, settings  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "s3cret"
EXAMPLES = int(os.environ.get("FLINT_EXAMPLES", "25"))
DEADLINE = 60
# Why a request that fits its schema may still be refused: what depends on the key's limit, on the bytes of a text or
# on two fields or items together is not a matter of schemas.
REASONS = ("is above the capacity of key", "from 1ms to 366d", "512 bytes", "appears more than once",
           "a key of costs must ", "must not be blank",
           "burst is only for", "limit needs ", "limit must ", "limit has ",
           "limit cannot ", "limit takes the place of ", "limit is missing", "rate is missing", "per is missing",
           "windows must not have two windows of ", "windows takes the place of ", ".windows takes the place of ")

# Warnings of this package's dependencies are not ours to fail of.
pytestmark = pytest.mark.filterwarnings("default")

schema = schemathesis.openapi.from_path(ROOT / "src" / "api" / "openapi.json")
# HEAD is answered wherever GET is, and so is not described.
schema.config.phases.coverage.unexpected_methods = {"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}
generated = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def program():
    places = [os.environ.get("FLINT"), ROOT / "build/release/flint", ROOT / "build/dev/flint", ROOT / ".venv/bin/flint"]
    return next(str(place) for place in places if place and Path(place).exists())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module", params=["without a token", "with a token"])
def server(request, tmp_path_factory):
    """The URL of a server, and the fields of a request that it lets in."""
    port = free_port()
    folder = tmp_path_factory.mktemp("contract")
    token = {"FLINT_SERVER_TOKEN": TOKEN} if request.param == "with a token" else {}
    command = [program(), "--data-dir", folder / "data", "server", "start", "--bind", f"127.0.0.1:{port}",
               "--sync", "batch"]
    with open(folder / "log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stderr=log, env={**os.environ, **token})
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {TOKEN}"} if token else {}
        assert process.poll() is None, (folder / "log").read_text()
    finally:
        process.terminate()
        process.wait(DEADLINE)
    assert process.returncode == 0, (folder / "log").read_text()


def wait_for(port, process):
    give_up_at = time.monotonic() + DEADLINE
    while time.monotonic() < give_up_at and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError("the server does not listen")


@schemathesis.check
def refused_with_a_reason(_context, response, case):
    """The place of Schemathesis's own check that everything valid is accepted."""
    if response.status_code == 400 and case.meta and case.meta.generation.mode == schemathesis.GenerationMode.POSITIVE:
        assert any(reason in response.text for reason in REASONS), response.text


CHECKS = schemathesis.checks.CHECKS
EXCLUDED = [CHECKS.get_one("positive_data_acceptance")]
GATES = ["/v1/gate", "/v1/gate/{name}"]
# They take any method, and a key that is none is a denial.
EXCLUDED_AT_GATES = [*EXCLUDED, CHECKS.get_one("unsupported_method"), CHECKS.get_one("negative_data_rejection")]


@schema.exclude(path=GATES).parametrize()
@generated
def test_answers_are_as_described(case, server):
    url, fields = server
    case.call_and_validate(base_url=url, headers=fields, excluded_checks=EXCLUDED)


@schema.include(path=GATES).parametrize()
@generated
def test_answers_of_gates_are_as_described(case, server):
    url, fields = server
    case.call_and_validate(base_url=url, headers=fields, excluded_checks=EXCLUDED_AT_GATES)


@schema.exclude(path=["/livez", "/readyz"]).parametrize()
@pytest.mark.parametrize("server", ["with a token"], indirect=True)
@generated
def test_nothing_is_told_without_the_token(case, server):
    url, _ = server
    response = case.call(base_url=url)
    # A request whose head is wrong or too long is not even asked for the token.
    assert response.status_code in (400, 401, 414, 431)
    case.validate_response(response, checks=[CHECKS.get_one("response_schema_conformance"),
                                             CHECKS.get_one("status_code_conformance")])
