"""A web service whose workers share one quota, exactly.

    flint server start
    uvicorn fastapi_app:app --workers 4
    curl -i http://127.0.0.1:8000/
"""

import os

import flint
from fastapi import Depends, FastAPI
from flint.fastapi import FlintMiddleware, RateLimit, client_address

# While the server cannot be reached, requests pass: this service would rather be up than strict.
limiter = flint.SharedLimiter(os.environ.get("FLINT_SERVER", "http://127.0.0.1:7878"), timeout=0.5, on_error="allow")

app = FastAPI()
app.add_middleware(
    FlintMiddleware,
    limiter=limiter,
    key_func=client_address(prefix="ip:"),
    rate="100/m",
    exempt_paths=["/metrics"],
)
flint.add_prometheus_route(app, limiter)

login_limit = RateLimit(limiter, key_func=client_address(prefix="login:"), rate="3/m")


@app.get("/")
async def root() -> dict[str, str]:
    return {"hello": "world"}


@app.post("/login", dependencies=[Depends(login_limit)])
async def login() -> dict[str, bool]:
    return {"ok": True}
