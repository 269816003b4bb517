import math
from unittest import mock

import throttled
from fastapi import Depends, FastAPI, HTTPException, Request
from throttled.asyncio import Throttled
from throttled.asyncio.contrib.fastapi import Limiter, RateLimitExceededError, rate_limit_exceeded_handler
from throttled.asyncio.contrib.fastapi import get_remote_address

# --- by address
limiter = Limiter("3/h", key_func=get_remote_address)
app = FastAPI()
app.add_exception_handler(RateLimitExceededError, rate_limit_exceeded_handler)


@app.get("/")
@limiter.limit()
async def root(request: Request):
    return "hello"


# --- by user and route
def user(request: Request):
    return request.headers["x-user"]


limiter = Limiter("3/h", key_func=user)
app = FastAPI()
app.add_exception_handler(RateLimitExceededError, rate_limit_exceeded_handler)


@app.get("/items")
@limiter.limit()
async def items(request: Request):
    return "items"


@app.get("/orders")
@limiter.limit()
async def orders(request: Request):
    return "orders"


# --- by plan
PLANS = {"free": Throttled(quota="2/h"), "paid": Throttled(quota="4/h")}


def user(request: Request):
    return request.headers["x-user"]


async def limit_by_plan(request: Request):
    result = await PLANS[request.headers["x-plan"]].limit(user(request))
    if result.limited:
        raise HTTPException(429, headers={"Retry-After": str(math.ceil(result.state.retry_after))})


app = FastAPI(dependencies=[Depends(limit_by_plan)])


@app.get("/")
async def root():
    return "hello"


# --- two windows
per_second = Limiter("3/s", key_func=get_remote_address)
per_minute = Limiter("5/h", key_func=get_remote_address)
app = FastAPI()
app.add_exception_handler(RateLimitExceededError, rate_limit_exceeded_handler)


@app.get("/")
@per_second.limit()
@per_minute.limit()
async def root(request: Request):
    return "hello"


# --- several keys
def user(request: Request):
    return f"user:{request.headers['x-user']}"


def org(request: Request):
    return f"org:{request.headers['x-org']}"


by_user = Limiter("2/h", key_func=user)
by_org = Limiter("5/h", key_func=org)
app = FastAPI()
app.add_exception_handler(RateLimitExceededError, rate_limit_exceeded_handler)


@app.get("/")
@by_user.limit()
@by_org.limit()
async def root(request: Request):
    return "hello"


# --- a fake clock in tests
def test_a_minute_later_there_is_room():
    with mock.patch("time.time", return_value=1_000_000_000.0) as clock:
        limiter = throttled.Throttled(quota="1/m", store=throttled.MemoryStore())
        assert [limiter.limit("k").limited for _ in range(2)] == [False, True]
        clock.return_value += 60
        assert not limiter.limit("k").limited
