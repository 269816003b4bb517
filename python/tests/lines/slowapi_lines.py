from unittest import mock

import limits
from fastapi import FastAPI, Request, Response
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIASGIMiddleware
from slowapi.util import get_remote_address

# --- by address
limiter = Limiter(key_func=get_remote_address, default_limits=["3/hour"], headers_enabled=True)
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
app.add_middleware(SlowAPIASGIMiddleware)


@app.get("/")
async def root():
    return "hello"


# --- by user and route
def user(request: Request):
    return request.headers["x-user"]


limiter = Limiter(key_func=user, headers_enabled=True)
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)


@app.get("/items")
@limiter.limit("3/hour")
async def items(request: Request, response: Response):
    return "items"


@app.get("/orders")
@limiter.limit("3/hour")
async def orders(request: Request, response: Response):
    return "orders"


# --- by plan
def user_with_plan(request: Request):
    return f"{request.headers['x-plan']}:{request.headers['x-user']}"


def plan(key):
    return {"free": "2/hour", "paid": "4/hour"}[key.partition(":")[0]]


limiter = Limiter(key_func=user_with_plan, headers_enabled=True)
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)


@app.get("/")
@limiter.limit(plan)
async def root(request: Request, response: Response):
    return "hello"


# --- two windows
limiter = Limiter(key_func=get_remote_address, default_limits=["3/second;5/hour"], headers_enabled=True)
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
app.add_middleware(SlowAPIASGIMiddleware)


@app.get("/")
async def root():
    return "hello"


# --- several keys
def user(request: Request):
    return f"user:{request.headers['x-user']}"


def org(request: Request):
    return f"org:{request.headers['x-org']}"


limiter = Limiter(key_func=user, headers_enabled=True)
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)


@app.get("/")
@limiter.limit("2/hour")
@limiter.limit("5/hour", key_func=org)
async def root(request: Request, response: Response):
    return "hello"


# --- a fake clock in tests
def test_a_minute_later_there_is_room():
    rate = limits.parse("1/minute")
    with mock.patch("time.time", return_value=1_000_000_000.0) as clock:
        limiter = limits.strategies.FixedWindowRateLimiter(limits.storage.MemoryStorage())
        assert [limiter.hit(rate, "k") for _ in range(2)] == [True, False]
        clock.return_value += 60
        assert limiter.hit(rate, "k")
