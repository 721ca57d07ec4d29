"""Latencies from the page on which a fleet shows its metrics."""

from __future__ import annotations

from smartops.contracts.wire import JsonObject
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.adapters.metrics_page import gauges_of, targets_of
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["LatencyDriver"]


class LatencyDriver:
    """Reads the page once for all targets."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """The latencies of the targets, in milliseconds."""
        seconds = await gauges_of(self._api, outbound, "http_request_p99_seconds")
        if not isinstance(seconds, dict):
            return seconds
        results: JsonObject = {
            name: _milliseconds(seconds.get(name)) for name in targets_of(outbound)
        }
        return Answer({"results": results})


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
