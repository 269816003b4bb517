from fastapi import Depends, FastAPI, Request

import flint
from flint.fastapi import FlintMiddleware, RateLimit, client_address

# --- by address
limiter = flint.SharedLimiter()
app = FastAPI()
app.add_middleware(FlintMiddleware, limiter=limiter, key_func=client_address(), rate="3/h")


@app.get("/")
async def root():
    return "hello"


# --- by user and route
def user_and_route(request: Request):
    return f"{request.headers['x-user']} {request.scope['route'].path}"


limiter = flint.SharedLimiter()
app = FastAPI(dependencies=[Depends(RateLimit(limiter, key_func=user_and_route, rate="3/h"))])


@app.get("/items")
async def items():
    return "items"


@app.get("/orders")
async def orders():
    return "orders"


# --- by plan
def user(request: Request):
    return request.headers["x-user"]


def plan(request: Request):
    return {"free": "2/h", "paid": "4/h"}[request.headers["x-plan"]]


limiter = flint.SharedLimiter()
app = FastAPI()
app.add_middleware(FlintMiddleware, limiter=limiter, key_func=user, rate=plan)


@app.get("/")
async def root():
    return "hello"


# --- two windows
limiter = flint.SharedLimiter()
app = FastAPI()
limits = [{"key_func": client_address(prefix=f"{rate}:"), "rate": rate} for rate in ("3/s", "5/h")]
app.add_middleware(FlintMiddleware, limiter=limiter, limits=limits)


@app.get("/")
async def root():
    return "hello"


# --- several keys
def user(request: Request):
    return f"user:{request.headers['x-user']}"


def org(request: Request):
    return f"org:{request.headers['x-org']}"


limiter = flint.SharedLimiter()
app = FastAPI()
limits = [{"key_func": user, "rate": "2/h"}, {"key_func": org, "rate": "5/h"}]
app.add_middleware(FlintMiddleware, limiter=limiter, limits=limits)


@app.get("/")
async def root():
    return "hello"


# --- a fake clock in tests
def test_a_minute_later_there_is_room(flint_limiter):
    assert [flint_limiter.allow("k", limit="1/m") for _ in range(2)] == [True, False]
    flint_limiter.clock.advance("1m")
    assert flint_limiter.allow("k", limit="1/m")
