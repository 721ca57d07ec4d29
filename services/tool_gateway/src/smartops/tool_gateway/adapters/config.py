"""The configuration store's API over HTTP: values with revisions, changed by compare and set."""

from __future__ import annotations

from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["ConfigDriver"]


class ConfigDriver:
    """Carries the configuration's tools out."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    async def close(self) -> None:
        """The connections belong to whoever made the API."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Carry one call out."""
        path = f"/v1/config/{outbound.arguments['asset']}"
        match outbound.tool:
            case "get_config_value":
                return await self._api.ask(outbound, "GET", path)
            case "set_config_value":
                return await self._api.ask(
                    outbound,
                    "PUT",
                    path,
                    body={"value": outbound.arguments["value"]},
                    headers={"if-match": f'"{outbound.arguments["expected_revision"]}"'},
                )
            case "restore_config_value":
                body = {
                    "revision": outbound.arguments["expected_revision"],
                    "value": outbound.arguments["value"],
                }
                return await self._api.ask(outbound, "POST", f"{path}/restore", body=body)
            case _:
                return NotApplied(
                    "unknown_tool", f"the configuration has no {outbound.tool}", retryable=False
                )
