"""The ASGI middleware, and what it has in common with the dependency of routes."""

from __future__ import annotations

import asyncio
import contextvars
import json
import math
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse, StreamingResponse
from web_support import Answer, asgi, http_scope

import flint
import flint_limiter._types as flint_types
from flint.fastapi import FlintMiddleware, FlintRateLimitMiddleware, RateLimit, client_address
from flint.testing import MemoryLimiter


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The least of applications."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"hello"})


def limited(limiter: flint.AbstractLimiter, **arguments: Any) -> FlintMiddleware:
    given: dict[str, Any] = {"limiter": limiter, "rate": 2, "per": "1m"}
    if "key_func" not in arguments:
        given["key"] = "k"
    return FlintMiddleware(hello, **{**given, **arguments})


# --- What is answered


def test_an_allowed_request_is_answered_by_the_application_with_what_is_left(flint_limiter: MemoryLimiter) -> None:
    answer = run(asgi(limited(flint_limiter)))
    reset_at = math.ceil((flint_limiter.clock.now() + timedelta(seconds=30)).timestamp())
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.fields == [
        ("x-own", "1"),
        ("ratelimit", '"default";r=1;t=30'),
        ("ratelimit-policy", '"default";q=2;w=60'),
        ("x-ratelimit-limit", "2"),
        ("x-ratelimit-remaining", "1"),
        ("x-ratelimit-reset", str(reset_at)),
    ]


def test_a_denied_request_gets_429_the_body_of_fastapi_and_when_to_come_again(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, cost=2)
    run(asgi(app))
    flint_limiter.clock.advance("30500ms")
    answer = run(asgi(app))
    assert (answer.status, json.loads(answer.body)) == (429, {"detail": "rate limit exceeded"})
    assert answer["content-type"] == "application/json"
    assert answer["content-length"] == str(len(answer.body))
    # 29.5 s, rounded up.
    assert answer["retry-after"] == "30"
    assert answer["ratelimit"] == '"default";r=1;t=30'
    assert answer["ratelimit-policy"] == '"default";q=2;w=60'
    assert answer["x-ratelimit-remaining"] == "1"
    assert answer["x-own"] is None


def test_retry_after_is_at_least_a_second(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, rate=1000, per="1s", cost=1000)
    assert run(asgi(app)).status == 200
    flint_limiter.clock.advance("999ms")
    assert run(asgi(app))["retry-after"] == "1"


def test_retry_after_is_at_least_a_second_whatever_a_server_says() -> None:
    class Hasty(MemoryLimiter):
        async def acheck(self, key: str, cost: int = 1, **options: Any) -> flint.CheckResult:
            return flint.CheckResult(key, False, cost, 1, 0, self.clock.now(), 0, 0, "token_bucket")

    with Hasty() as limiter:
        assert run(asgi(limited(limiter)))["retry-after"] == "1"


def test_the_time_of_reset_is_rounded_up(flint_limiter: MemoryLimiter) -> None:
    now = int(flint_limiter.clock.now().timestamp())
    flint_limiter.clock.advance("1ms")
    assert run(asgi(limited(flint_limiter)))["x-ratelimit-reset"] == str(now + 31)


def test_a_window_that_is_no_whole_number_of_seconds_is_not_told(flint_limiter: MemoryLimiter) -> None:
    assert run(asgi(limited(flint_limiter, per="1500ms")))["ratelimit-policy"] == '"default";q=2'


def test_the_quota_of_the_policy_is_the_rate_and_the_limit_is_the_burst(flint_limiter: MemoryLimiter) -> None:
    answer = run(asgi(limited(flint_limiter, burst=10, policy='a"b\\c')))
    assert answer["ratelimit-policy"] == '"a\\"b\\\\c";q=2;w=60'
    assert answer["ratelimit"] == '"a\\"b\\\\c";r=9;t=30'
    assert answer["x-ratelimit-limit"] == "10"


def test_the_window_of_a_denial_never_ends_before_retry_after(flint_limiter: MemoryLimiter) -> None:
    """Of a sliding log, whose first unit comes back before as many as this cost needs."""
    costs = iter([1, 1, 2])
    app = limited(flint_limiter, algorithm="sliding_window_log", cost=lambda request: next(costs))
    run(asgi(app))
    flint_limiter.clock.advance("10s")
    run(asgi(app))
    answer = run(asgi(app))
    assert (answer.status, answer["retry-after"], answer["ratelimit"]) == (429, "60", '"default";r=0;t=60')


def test_a_denial_can_be_a_problem_document(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, rate=1, problem_json=True, policy="burst")
    run(asgi(app))
    answer = run(asgi(app))
    assert answer["content-type"] == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert (problem["status"], problem["violated-policies"]) == (429, ["burst"])
    assert problem["detail"] == "rate limit exceeded"


def test_a_denied_head_request_has_no_body(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, rate=1)
    run(asgi(app))
    answer = run(asgi(app, method="HEAD"))
    assert (answer.status, answer.body, answer["content-length"]) == (429, b"", "32")


def test_limits_behind_each_other_both_tell_and_the_older_fields_are_of_the_inner_one(
    flint_limiter: MemoryLimiter,
) -> None:
    inner = limited(flint_limiter, key="user", policy="user")
    answer = run(asgi(FlintMiddleware(inner, limiter=flint_limiter, key="all", rate=9, per=1, policy="all")))
    policies = [value for name, value in answer.fields if name == "ratelimit-policy"]
    assert policies == ['"user";q=2;w=60', '"all";q=9;w=1']
    assert answer["x-ratelimit-limit"] == "2"


# --- Whom it limits


def test_keys_are_made_of_requests_by_functions_and_coroutine_functions(flint_limiter: MemoryLimiter) -> None:
    def sync_key(request: Request) -> str:
        return f"user:{request.headers['x-user']}"

    async def async_key(request: Request) -> str:
        await asyncio.sleep(0)
        return sync_key(request)

    for key_func in (sync_key, async_key):
        app = limited(flint_limiter, key_func=key_func, rate=1)
        seen = [run(asgi(app, fields=[("X-User", f"{key_func.__name__}-{user}")])).status for user in (1, 2, 1, 2)]
        assert seen == [200, 200, 429, 429]


def test_no_key_is_no_limit(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, key_func=lambda request: None)
    assert [run(asgi(app)).fields for _ in range(4)] == [[("x-own", "1")]] * 4
    assert flint_limiter.list(keys=True) == []


def test_the_cost_may_be_of_the_request(flint_limiter: MemoryLimiter) -> None:
    async def cost(request: Request) -> int:
        return int(request.query_params["n"])

    app = limited(flint_limiter, rate=10, cost=cost)
    assert run(asgi(app, query="n=7"))["x-ratelimit-remaining"] == "3"
    assert run(asgi(app, query="n=4")).status == 429
    assert run(asgi(app, query="n=11")).status == 429
    with pytest.raises(ValueError, match="cost"):
        run(asgi(app, query="n=0"))
    assert run(asgi(app, query="n=3"))["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    ("path", "root_path", "exempt"),
    [
        ("/health", "", True),
        ("/health/", "", False),
        ("/healthy", "", False),
        ("/static", "", False),
        ("/static/a/b", "", True),
        ("/static/a..b", "", True),
        # Was not limited, though an application that resolves it answers with what stands elsewhere.
        ("/static/../login", "", False),
        ("/static/a/..", "", False),
        ("/api/static/../login", "/api", False),
        ("/api/health", "/api", True),
        ("/health", "/api", True),
        ("/apihealth", "/api", False),
        ("/apidocs", "/api", True),
    ],
)
def test_exempt_paths_are_not_limited(flint_limiter: MemoryLimiter, path: str, root_path: str, exempt: bool) -> None:
    app = limited(flint_limiter, rate=1, exempt_paths=["/health", "/static/*", "/apidocs"])
    answers = [run(asgi(app, path, root_path=root_path)) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200 if exempt else 429]
    assert (answers[0]["ratelimit"] is None) == exempt


PREFLIGHT = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "GET")]


def test_preflights_of_browsers_are_not_limited(flint_limiter: MemoryLimiter) -> None:
    """Symptom: a page of another site had half the quota, for each of its requests was preceded by a preflight."""
    app = limited(flint_limiter, rate=1)
    assert [run(asgi(app, method="OPTIONS", fields=PREFLIGHT)).status for _ in range(3)] == [200] * 3
    assert flint_limiter.status("k") is None
    assert run(asgi(app, method="OPTIONS")).status == 200
    for fields in ([], PREFLIGHT[:1], PREFLIGHT[1:]):
        assert run(asgi(app, method="OPTIONS", fields=fields)).status == 429
    assert run(asgi(app, fields=PREFLIGHT)).status == 429


def test_a_page_can_read_a_denial_when_cors_is_outside(flint_limiter: MemoryLimiter) -> None:
    """What docs/fastapi.md says: CORSMiddleware is added after FlintMiddleware."""
    app = FastAPI()
    app.add_middleware(FlintMiddleware, limiter=flint_limiter, key="k", rate=1, per="1h")
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.example"], expose_headers=["Retry-After"])
    run(asgi(app, fields=PREFLIGHT[:1]))
    assert run(asgi(app, method="OPTIONS", fields=PREFLIGHT)).status == 200
    answer = run(asgi(app, fields=PREFLIGHT[:1]))
    assert (answer.status, answer["access-control-allow-origin"]) == (429, "https://a.example")
    assert answer["access-control-expose-headers"] == "Retry-After"


def test_limits_can_be_configured_elsewhere(flint_limiter: MemoryLimiter) -> None:
    """Symptom: FlintRateLimitMiddleware(app, limiter=..., key=...) was a TypeError."""
    app = FlintRateLimitMiddleware(hello, limiter=flint_limiter, key="k")
    with pytest.raises(flint.LimitNotConfigured):
        run(asgi(app))
    flint_limiter.limit("k", rate=1, per="1h", algorithm="fixed_window_counter")
    first, second = [run(asgi(app)) for _ in range(2)]
    assert (first.status, first["ratelimit-policy"]) == (200, '"default";q=1')
    assert first["ratelimit"] == '"default";r=0;t=3600'
    assert (second.status, second["retry-after"]) == (429, "3600")
    assert run(RateLimit(flint_limiter, key_func=lambda request: None)(Request(http_scope()))) is None


@pytest.mark.parametrize("arguments", [{"rate": 1}, {"per": "1m"}, {"algorithm": "sliding_window_log"}, {"burst": 3}])
def test_rate_and_per_come_together(flint_limiter: MemoryLimiter, arguments: Any) -> None:
    with pytest.raises(TypeError, match="rate and per"):
        FlintMiddleware(hello, limiter=flint_limiter, key="k", **arguments)
    with pytest.raises(TypeError, match="rate and per"):
        RateLimit(flint_limiter, key="k", **arguments)


def test_a_cost_that_can_never_pass_is_denied(flint_limiter: MemoryLimiter) -> None:
    """An operator lowered a limit below a cost, or a client sent a large request: each was a 500."""
    app = limited(flint_limiter, cost=lambda request: 3)
    answer = run(asgi(app))
    assert (answer.status, answer["retry-after"], answer["ratelimit"]) == (429, None, None)
    two = limited(flint_limiter, cost=2)
    assert run(asgi(two)).status == 200
    flint_limiter.limit("k", rate=1, per="1m")
    answer = run(asgi(two))
    assert (answer.status, answer["retry-after"]) == (429, None)
    with pytest.raises(ValueError, match="cost must be from 1"):
        run(asgi(limited(flint_limiter, cost=lambda request: 0)))


def test_the_client_address_is_a_key(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, key_func=client_address(trusted_hops=1, prefix="ip:"))
    run(asgi(app, fields=[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "192.0.2.7")]))
    run(asgi(app, client=None))
    assert [status["key"] for status in flint_limiter.list(keys=True)] == ["ip:192.0.2.7", "ip:unix"]


# --- What passes through untouched


def test_websockets_lifespan_and_exempt_requests_get_the_very_objects_of_the_server(
    flint_limiter: MemoryLimiter,
) -> None:
    seen: list[tuple[Any, ...]] = []

    async def app(*given: Any) -> None:
        seen.append(given)

    async def receive() -> Any: ...
    async def send(message: Any) -> None: ...

    middleware = FlintMiddleware(app, limiter=flint_limiter, key="k", rate=1, per=1, exempt_paths=["/x"])
    scopes = [{"type": "websocket", "path": "/"}, {"type": "lifespan"}, http_scope("/x")] * 2
    for scope in scopes:
        run(middleware(scope, receive, send))
    for given, scope in zip(seen, scopes):
        assert given[0] is scope and given[1] is receive and given[2] is send
    assert len(seen) == len(scopes)


def test_bodies_stream_in_the_moment_in_which_they_are_made(flint_limiter: MemoryLimiter) -> None:
    app = FastAPI()
    app.add_middleware(FlintMiddleware, limiter=flint_limiter, key="k", rate=1, per=1)
    log: list[str] = []

    @app.get("/")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for part in ("a", "b"):
                log.append(f"made {part}")
                yield part.encode()

        return StreamingResponse(parts())

    async def send(message: Any) -> None:
        log.append(f"sent {message.get('body', b'').decode()}" if "body" in message else message["type"])

    async def receive() -> Any:
        await asyncio.sleep(3600)

    run(app(http_scope(), receive, send))
    assert log == ["http.response.start", "made a", "sent a", "made b", "sent b", "sent "]


def test_background_tasks_run_after_the_answer(flint_limiter: MemoryLimiter) -> None:
    app = FastAPI()
    app.add_middleware(FlintMiddleware, limiter=flint_limiter, key="k", rate=1, per=1)
    log: list[str] = []

    @app.get("/")
    async def route(tasks: BackgroundTasks) -> str:
        tasks.add_task(log.append, "task")
        return "done"

    async def send(message: Any) -> None:
        log.append(message["type"])

    async def receive() -> Any:
        return {"type": "http.request"}

    run(app(http_scope(), receive, send))
    assert log == ["http.response.start", "http.response.body", "task"]


def test_context_variables_reach_the_application_and_back(flint_limiter: MemoryLimiter) -> None:
    """BaseHTTPMiddleware runs the application in another task, so that what it sets is lost."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert variable.get() == "outer"
        variable.set("inner")
        await hello(scope, receive, send)

    async def outer() -> str:
        variable.set("outer")
        await asgi(FlintMiddleware(app, limiter=flint_limiter, key="k", rate=1, per=1))
        return variable.get()

    assert run(outer()) == "inner"


def test_a_response_start_without_headers_is_understood(flint_limiter: MemoryLimiter) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})

    answer = run(asgi(FlintMiddleware(bare, limiter=flint_limiter, key="k", rate=1, per=1)))
    assert (answer.status, answer["x-ratelimit-limit"]) == (204, "1")


def test_the_body_of_a_request_is_left_to_the_application(flint_limiter: MemoryLimiter) -> None:
    async def key(request: Request) -> str:
        await request.body()
        return "k"

    with pytest.raises(RuntimeError, match="[Rr]eceive"):
        run(asgi(limited(flint_limiter, key_func=key)))


# --- Failures


def test_a_server_out_of_reach_is_for_on_error_to_say(tmp_path: Any) -> None:
    nowhere = f"unix:{tmp_path}/none.sock"
    with flint.SharedLimiter(nowhere) as raising, pytest.raises(flint.FlintConnectionError):
        run(asgi(limited(raising)))
    with flint.SharedLimiter(nowhere, on_error="allow") as allowing:
        answer: Answer = run(asgi(limited(allowing)))
        assert (answer.status, answer.fields) == (200, [("x-own", "1")])
    with flint.SharedLimiter(nowhere, on_error="deny") as denying:
        answer = run(asgi(limited(denying)))
        assert (answer.status, answer["retry-after"], answer["ratelimit"]) == (429, "1", None)


@pytest.mark.parametrize(
    ("arguments", "kind", "names"),
    [
        ({"key": None}, TypeError, "key_func"),
        ({"key": "k", "key_func": str}, TypeError, "key_func"),
        ({"key_func": "k"}, TypeError, "key_func"),
        ({"key": ""}, ValueError, "key"),
        ({"rate": 0}, ValueError, "rate"),
        ({"per": "1x"}, ValueError, "per"),
        ({"algorithm": "leaky"}, ValueError, "algorithm"),
        ({"burst": 5, "algorithm": "sliding_window_log"}, ValueError, "burst"),
        ({"cost": 3}, ValueError, "cost"),
        ({"cost": True}, TypeError, "cost"),
        ({"exempt_paths": "/health"}, TypeError, "exempt_paths"),
        ({"exempt_paths": ["health"]}, ValueError, r"exempt_paths\[0\]"),
        ({"exempt_paths": ["/a", "/*/b"]}, ValueError, r"exempt_paths\[1\]"),
        ({"policy": "ü"}, ValueError, "policy"),
    ],
)
def test_wrong_arguments_are_told_at_once(
    flint_limiter: MemoryLimiter, arguments: dict[str, Any], kind: type[Exception], names: str
) -> None:
    with pytest.raises(kind, match=names):
        limited(flint_limiter, **arguments)


@pytest.mark.parametrize("key", [7, b"k", ["k"]])
def test_what_is_no_text_raises_and_consumes_nothing(flint_limiter: MemoryLimiter, key: Any) -> None:
    with pytest.raises(TypeError, match="key_func must be a str or None"):
        run(asgi(limited(flint_limiter, key_func=lambda request: key)))
    assert flint_limiter.list(keys=True) == []


def test_the_first_name_of_the_middleware_still_works() -> None:
    assert FlintRateLimitMiddleware is FlintMiddleware


def test_fields_that_the_program_sets_in_a_denial_stay(flint_limiter: MemoryLimiter) -> None:
    own = {"retry-after": "7", "X-RateLimit-Limit": "many"}
    app = limited(flint_limiter, rate=1, on_denied=lambda request, result: PlainTextResponse("no", 429, own))
    run(asgi(app))
    answer = run(asgi(app))
    assert (answer["retry-after"], answer["x-ratelimit-limit"], answer["x-ratelimit-remaining"]) == ("7", "many", "0")
    refusal = HTTPException(429, "no", own)
    limit = RateLimit(flint_limiter, key="k", rate="1/m", on_denied=lambda request, result: refusal)
    route = FastAPI(dependencies=[Depends(limit)])
    route.add_api_route("/", lambda: "hello")
    answer = run(asgi(route))
    assert (answer["retry-after"], answer["x-ratelimit-limit"], answer["x-ratelimit-remaining"]) == ("7", "many", "0")


def test_type_checkers_refuse_what_is_refused(flint_limiter: MemoryLimiter) -> None:
    """mypy fails when one of the comments is not needed: the options are checked although they are `**options`."""
    with pytest.raises(TypeError, match="rate"):
        FlintMiddleware(hello, limiter=flint_limiter, key="k", rate=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        FlintMiddleware(hello, limiter=flint_limiter, key="k", colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="exempt_paths"):
        RateLimit(flint_limiter, key="k", exempt_paths=["/a"])  # type: ignore[call-arg]

    async def plan(request: Request) -> flint_types.CarriedLimit | None:
        return "1/m" if request.method == "GET" else None

    FlintMiddleware(hello, limiter=flint_limiter, key_func=client_address(), rate=plan, cost=lambda request: 1)
