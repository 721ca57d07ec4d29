"""The fleet's control API over HTTP."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from smartops.contracts.wire import JsonObject
from smartops.tool_gateway.adapters.json_api import JsonApi, Reply
from smartops.tool_gateway.adapters.metrics_page import gauges_of, targets_of
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["FleetDriver"]

_PROBES_AT_ONCE = 50


class FleetDriver:
    """Carries the fleet's tools out."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Carry one call out."""
        match outbound.tool:
            case "query_assets":
                return await self._assets(outbound)
            case "get_asset":
                return await self._api.ask(outbound, "GET", _server(outbound))
            case "get_golden_image":
                role = str(outbound.arguments["role"])
                return await self._api.ask(outbound, "GET", "/v1/golden", params={"role": role})
            case "probe_http":
                return await self._probe(outbound)
            case "query_error_rate":
                return await self._error_rates(outbound)
            case "apply_patch":
                body: JsonObject = {"version": outbound.arguments["version"]}
                return await self._api.ask(
                    outbound, "PUT", f"{_server(outbound)}/version", body=body
                )
            case "restart_server":
                body = {"reason": outbound.arguments.get("reason", "asked for by a plan")}
                return await self._api.ask(
                    outbound, "POST", f"{_server(outbound)}/restart", body=body
                )
            case "drain_server" | "undrain_server":
                wanted = outbound.arguments.get("draining", outbound.tool == "drain_server")
                verb = "drain" if wanted else "undrain"
                return await self._api.ask(outbound, "POST", f"{_server(outbound)}/{verb}", body={})
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
        answer = await self._api.ask(outbound, "GET", "/v1/servers", params=params)
        if isinstance(answer, Answer) and isinstance(answer.output, dict):
            return Answer({"assets": answer.output.get("servers")})
        return answer

    async def _probe(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        gate = asyncio.Semaphore(_PROBES_AT_ONCE)
        path = str(outbound.arguments.get("path", "/health"))
        targets = targets_of(outbound)
        ends = time.monotonic() + outbound.timeout.total_seconds()

        async def one(target: str) -> int | None:
            async with gate:
                # All of them together have the call's time: many silent ones would take many times.
                left = timedelta(seconds=ends - time.monotonic())
                if left <= timedelta(0):
                    return None
                asked = replace(outbound, timeout=left)
                reply = await self._api.send(asked, "GET", f"/servers/{target}{path}")
                return reply.status if isinstance(reply, Reply) else None

        found = await asyncio.gather(*(one(target) for target in targets))
        results: JsonObject = dict(zip(targets, found, strict=True))
        return Answer({"results": results})

    async def _error_rates(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        rates = await gauges_of(self._api, outbound, "http_error_rate")
        if not isinstance(rates, dict):
            return rates
        results: JsonObject = {target: rates.get(target) for target in targets_of(outbound)}
        return Answer({"results": results})


def _server(outbound: Outbound) -> str:
    return f"/v1/servers/{outbound.arguments['asset']}"
