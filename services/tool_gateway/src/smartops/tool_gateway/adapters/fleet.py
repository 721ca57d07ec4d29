"""The fleet's control API over HTTP.

What an answer, or its absence, means is decided by one question: can the request have been
applied? Refused connections and answers that say "not done" mean no; everything after the first
byte may have left means that nobody knows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx2
from pydantic import JsonValue
from pydantic_core import from_json
from smartops.contracts.wire import JsonObject
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["FleetDriver"]

_PROBES_AT_ONCE = 50
_GAUGE = re.compile(r'^http_error_rate\{server="([^"]+)"\} ([0-9.eE+-]+|NaN)$', re.MULTILINE)
_SERVER_ERROR = 500
_CLIENT_ERROR = 400


class FleetDriver:
    """Carries the fleet's tools out.

    Args:
        url: base URL of the control API.
        token: bearer token, if it asks for one.
        max_bytes: longest answer read.
    """

    def __init__(self, url: str, token: str | None, max_bytes: int) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._max_bytes = max_bytes
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            follow_redirects=False,
            trust_env=False,
            limits=httpx2.Limits(max_connections=200, max_keepalive_connections=50),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Carry one call out."""
        match outbound.tool:
            case "query_assets":
                return await self._assets(outbound)
            case "get_asset":
                return await self._request(outbound, "GET", f"/v1/servers/{_asset(outbound)}")
            case "get_golden_image":
                role = str(outbound.arguments["role"])
                return await self._request(outbound, "GET", "/v1/golden", params={"role": role})
            case "probe_http":
                return await self._probe(outbound)
            case "query_error_rate":
                return await self._error_rates(outbound)
            case "apply_patch":
                body: JsonObject = {"version": outbound.arguments["version"]}
                path = f"/v1/servers/{_asset(outbound)}/version"
                return await self._request(outbound, "PUT", path, body=body)
            case "restart_server":
                body = {"reason": outbound.arguments.get("reason", "asked for by a plan")}
                path = f"/v1/servers/{_asset(outbound)}/restart"
                return await self._request(outbound, "POST", path, body=body)
            case "drain_server" | "undrain_server":
                verb = outbound.tool.removesuffix("_server")
                path = f"/v1/servers/{_asset(outbound)}/{verb}"
                return await self._request(outbound, "POST", path, body={})
            case _:
                return NotApplied(
                    "unknown_tool", f"the fleet has no {outbound.tool}", retryable=False
                )

    async def _assets(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        wanted = outbound.arguments
        params: dict[str, str] = {"environment": str(wanted["environment"])}
        if wanted.get("role"):
            params["role"] = str(wanted["role"])
        ids = wanted.get("ids")
        if isinstance(ids, list | tuple) and ids:
            params["ids"] = ",".join(map(str, ids))
        answer = await self._request(outbound, "GET", "/v1/servers", params=params)
        if isinstance(answer, Answer) and isinstance(answer.output, dict):
            return Answer({"assets": answer.output.get("servers")})
        return answer

    async def _probe(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        gate = asyncio.Semaphore(_PROBES_AT_ONCE)
        path = str(outbound.arguments.get("path", "/health"))
        targets = _targets(outbound)

        async def one(target: str) -> int | None:
            async with gate:
                try:
                    reply = await self._client.get(
                        f"/servers/{target}{path}", timeout=outbound.timeout.total_seconds()
                    )
                except httpx2.HTTPError:
                    return None
                return reply.status_code

        found = await asyncio.gather(*(one(target) for target in targets))
        results: JsonObject = dict(zip(targets, found, strict=True))
        return Answer({"results": results})

    async def _error_rates(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        try:
            reply = await self._client.get("/metrics", timeout=outbound.timeout.total_seconds())
        except httpx2.HTTPError as error:
            return NotApplied("unreachable", _plain(error), retryable=True)
        rates = {name: float(value) for name, value in _GAUGE.findall(reply.text)}
        results: JsonObject = {
            target: rate if (rate := rates.get(target)) is not None and rate == rate else None  # noqa: PLR0124 - NaN
            for target in _targets(outbound)
        }
        return Answer({"results": results})

    async def _request(
        self,
        outbound: Outbound,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> Answer | NotApplied | Unknown:
        headers = {**outbound.headers, "idempotency-key": str(outbound.key)}
        arguments: dict[str, Any] = {"headers": headers, "timeout": _timeout(outbound.timeout)}
        if params is not None:
            arguments["params"] = params
        if body is not None:
            arguments["json"] = body
        try:
            async with asyncio.timeout(outbound.timeout.total_seconds()):
                reply = await self._client.request(method, path, **arguments)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return NotApplied("unreachable", _plain(error), retryable=True)
        except (httpx2.HTTPError, TimeoutError) as error:
            return Unknown(f"no answer: {_plain(error)}")
        return self._read(reply)

    def _read(self, reply: httpx2.Response) -> Answer | NotApplied | Unknown:
        if len(reply.content) > self._max_bytes:
            return Unknown(f"the answer is longer than {self._max_bytes} bytes")
        if reply.status_code >= _SERVER_ERROR:
            return Unknown(f"the fleet answered {reply.status_code}")
        if reply.status_code >= _CLIENT_ERROR:
            return NotApplied(
                "refused", f"{reply.status_code}: {reply.text[:300]}", retryable=False
            )
        try:
            # Not `reply.json()`: that reads NaN and Infinity, which no JSON has and no event may
            # hold, and as strict as events are read an answer must be read too.
            output: JsonValue = from_json(reply.content, allow_inf_nan=False)
        except ValueError as error:
            return Unknown(f"the answer is no JSON: {_plain(error)[:200]}")
        return Answer(output)


def _asset(outbound: Outbound) -> str:
    return str(outbound.arguments["asset"])


def _targets(outbound: Outbound) -> Sequence[str]:
    targets = outbound.arguments.get("targets")
    return [str(target) for target in targets] if isinstance(targets, list | tuple) else []


def _timeout(limit: timedelta) -> Any:
    seconds = limit.total_seconds()
    return httpx2.Timeout(seconds, connect=min(seconds, 2.0))


def _plain(error: Exception) -> str:
    return str(error) or type(error).__name__
