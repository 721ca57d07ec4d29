"""Instant queries to a Prometheus server, over its HTTP API.

https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import math

from pydantic import JsonValue
from pydantic_core import from_json
from smartops.tool_gateway.adapters.json_api import JsonApi, Reply
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["PrometheusDriver"]

_OK = 200
_OVERLOADED = frozenset({429, 502, 503, 504})


class PrometheusDriver:
    """Asks one server."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """What the query gives now: the numbers of a scalar or of an instant vector."""
        params = {
            "query": str(outbound.arguments["query"]),
            "timeout": f"{outbound.timeout.total_seconds():g}s",
        }
        reply = await self._api.send(outbound, "GET", "/api/v1/query", params=params)
        return _read(reply) if isinstance(reply, Reply) else reply


def _read(reply: Reply) -> Answer | NotApplied | Unknown:
    try:
        answer: JsonValue = from_json(reply.content, allow_inf_nan=False)
    except ValueError:
        answer = None
    told = answer if isinstance(answer, dict) else {}
    if reply.status != _OK or told.get("status") != "success":
        why = f"{reply.status} {told.get('errorType', '')}: {told.get('error', 'no reason given')}"
        return NotApplied("query_failed", why[:2000], retryable=reply.status in _OVERLOADED)
    data = told.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    if kind == "scalar":
        return Answer({"values": [_number(result)]})
    if kind == "vector" and isinstance(result, list):
        values: list[JsonValue] = [
            _number(one.get("value") if isinstance(one, dict) else None) for one in result
        ]
        return Answer({"values": values})
    return NotApplied(
        "not_a_number", f"the query gives a {kind}; a check needs numbers", retryable=False
    )


def _number(sample: JsonValue) -> float | None:
    """The value of `[time, "value"]`; None for NaN, infinities, histograms and nonsense."""
    try:
        value = float(str(sample[1])) if isinstance(sample, list) else math.nan
    except (ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None
