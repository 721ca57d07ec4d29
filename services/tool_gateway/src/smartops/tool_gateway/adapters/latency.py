"""Latencies from the page on which a fleet shows its metrics."""

from __future__ import annotations

import math
import re

from smartops.contracts.wire import JsonObject
from smartops.tool_gateway.adapters.json_api import JsonApi, Reply
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["LatencyDriver"]

_OK = 200
_GAUGE = re.compile(
    r'^http_request_p99_seconds\{server="([^"]+)"\} ([0-9.eE+-]+|NaN)$', re.MULTILINE
)


class LatencyDriver:
    """Reads the page once for all targets."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """The latencies of the targets, in milliseconds."""
        reply = await self._api.send(outbound, "GET", "/metrics")
        if not isinstance(reply, Reply):
            return reply
        if reply.status != _OK:
            return Unknown(f"the metrics answered {reply.status}")
        page = reply.content.decode("utf-8", "replace")
        seconds = {name: float(value) for name, value in _GAUGE.findall(page)}
        targets = outbound.arguments.get("targets")
        names = [str(target) for target in targets] if isinstance(targets, list | tuple) else []
        results: JsonObject = {name: _milliseconds(seconds.get(name)) for name in names}
        return Answer({"results": results})


def _milliseconds(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return round(seconds * 1000, 3)
