"""The pages by which an orchestrator, a load balancer and Prometheus look after a service.

`GET /health`   alive: the process runs and its event loop gets round. 200, or no answer at all.
`GET /ready`    able to work: 200, or 503 with the parts that are in trouble.
`GET /metrics`  Prometheus text, or OpenMetrics if asked for.

Alive stays 200 however late the loop is: to restart what is merely busy makes all others busier.
A loop that is stuck cannot answer, and that is what the caller's timeout is for.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from smartops.telemetry.loop_lag import LoopLag
from smartops.telemetry.metrics import Metrics
from smartops.telemetry.probes import Probe, notes, troubles

__all__ = ["AsgiApp", "health_app"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON: Final = "application/json"

Answer: TypeAlias = tuple[HTTPStatus, bytes, str]
"""Status, body, content type."""


def health_app(probes: Sequence[Probe], metrics: Metrics) -> AsgiApp:
    """The pages as an ASGI application; it watches the loop between its lifespan's ends.

    Args:
        probes: read at each request, so that parts may be added while the service starts.
        metrics: what `/metrics` shows; the loop's lag is added to it.
    """
    return _Pages(probes, metrics)


class _Pages:
    def __init__(self, probes: Sequence[Probe], metrics: Metrics) -> None:
        self._probes = probes
        self._metrics = metrics
        self._lag = LoopLag()
        self._born = time.monotonic()
        self._pages: dict[str, Callable[[str], Answer]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._scrape,
        }
        metrics.loop_lag.set_function(lambda: self._lag.seconds)
        self._loop: asyncio.AbstractEventLoop | None = None
        metrics.read_gauge("asyncio_tasks", "Tasks of the event loop.", self._tasks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._answer(scope, send)
            case "lifespan":
                await self._live(receive, send)
            case _:
                await send({"type": "websocket.close"})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            stage = (await receive())["type"]
            if stage == "lifespan.startup":
                self._lag.start()
                self._loop = asyncio.get_running_loop()
            else:
                self._lag.stop()
            await send({"type": f"{stage}.complete"})
            if stage == "lifespan.shutdown":
                return

    async def _answer(self, scope: Scope, send: Send) -> None:
        method = scope["method"]
        page = self._pages.get(scope["path"])
        headers: list[tuple[bytes, bytes]] = [(b"cache-control", b"no-store")]
        if page is None:
            answer = _as_json(HTTPStatus.NOT_FOUND, {"pages": list(self._pages)})
        elif method not in ("GET", "HEAD"):
            headers.append((b"allow", b"GET, HEAD"))
            answer = _as_json(HTTPStatus.METHOD_NOT_ALLOWED, {"methods": ["GET", "HEAD"]})
        else:
            answer = page(_accept(scope))
        status, body, content_type = answer
        headers += [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    def _health(self, _accept: str) -> Answer:
        return _as_json(
            HTTPStatus.OK,
            {
                "alive": True,
                "service": self._metrics.service,
                "pid": os.getpid(),
                "uptime_seconds": round(time.monotonic() - self._born, 1),
                "loop_lag_seconds": round(self._lag.seconds, 4),
                "loop_lag_worst_seconds": round(self._lag.worst_seconds, 4),
            },
        )

    def _ready(self, _accept: str) -> Answer:
        found = troubles(self._probes)
        return _as_json(
            HTTPStatus.SERVICE_UNAVAILABLE if found else HTTPStatus.OK,
            {
                "ready": not found,
                "reasons": [asdict(trouble) for trouble in found],
                "service": self._metrics.service,
                "parts": [probe.name for probe in self._probes],
                "notes": notes(self._probes),
            },
        )

    def _tasks(self) -> float:
        return 0.0 if self._loop is None else len(asyncio.all_tasks(self._loop))

    def _scrape(self, accept: str) -> Answer:
        body, content_type = self._metrics.exposition(accept)
        return HTTPStatus.OK, body, content_type


def _as_json(status: HTTPStatus, shown: dict[str, Any]) -> Answer:
    return status, json.dumps(shown).encode() + b"\n", JSON


def _accept(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"accept"]
    return b",".join(given).decode("latin-1")
