"""The clusters' API over HTTP: which member leads, and handing the lead over."""

from __future__ import annotations

from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["ClusterDriver"]


class ClusterDriver:
    """Carries the clusters' tools out."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    async def close(self) -> None:
        """The connections belong to whoever made the API."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Carry one call out."""
        wanted = outbound.arguments
        path = f"/v1/clusters/{wanted['asset']}"
        match outbound.tool:
            case "get_cluster":
                return await self._api.ask(outbound, "GET", path)
            case "simulate_failover":
                params = {"primary": str(wanted["primary"])}
                return await self._api.ask(outbound, "GET", f"{path}/failover", params=params)
            case "execute_failover":
                body = {"primary": wanted["primary"], "reason_code": wanted["reason_code"]}
                return await self._api.ask(outbound, "POST", f"{path}/failover", body=body)
            case _:
                return NotApplied(
                    "unknown_tool", f"clusters have no {outbound.tool}", retryable=False
                )
