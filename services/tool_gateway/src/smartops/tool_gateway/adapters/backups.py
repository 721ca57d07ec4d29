"""The backups' API over HTTP: jobs that are started, and asked after until they end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

__all__ = ["BackupDriver"]

_FIRST_LOOK = timedelta(milliseconds=100)
_LAST_LOOK = timedelta(seconds=5)
"""Pause between two looks at a job: short at first, and not much of a burden later on."""

_ONE_LOOK = timedelta(seconds=10)
"""For one look to be answered; another is taken if it is not."""


class BackupDriver:
    """Carries the backups' tools out."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    async def close(self) -> None:
        """The connections belong to whoever made the API."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        """Carry one call out."""
        backups = f"/v1/servers/{outbound.arguments['asset']}/backups"
        one = f"{backups}/{outbound.arguments['label']}"
        match outbound.tool:
            case "get_backup":
                return await self._api.ask(outbound, "GET", one)
            case "run_backup":
                return await self._run(outbound, backups, one)
            case "delete_backup":
                return await self._api.ask(outbound, "DELETE", one)
            case _:
                return NotApplied(
                    "unknown_tool", f"backups have no {outbound.tool}", retryable=False
                )

    async def _run(
        self, outbound: Outbound, backups: str, one: str
    ) -> Answer | NotApplied | Unknown:
        """Start the job, then wait for its end, as long as the whole call may take."""
        seconds = outbound.timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                body = {"label": outbound.arguments["label"]}
                started = await self._api.ask(outbound, "POST", backups, body=body)
                return await self._ended(outbound, one, started)
        except TimeoutError:
            return Unknown(f"the job had not ended after {seconds:g} s")

    async def _ended(
        self, outbound: Outbound, one: str, told: Answer | NotApplied | Unknown
    ) -> Answer | NotApplied | Unknown:
        if not isinstance(told, Answer):
            return told
        # Looking changes nothing: whether the job may still be started is no matter by now.
        look = replace(outbound, timeout=min(_ONE_LOOK, outbound.timeout), last_look=None)
        pause = _FIRST_LOOK
        while True:
            match told:
                case Answer(output={"state": "running"}):
                    pass
                case Answer(output={"state": "failed", **rest}):
                    # It ended, and left nothing behind: the one thing that is certain.
                    why = str(rest.get("reason", "no reason given"))
                    return NotApplied("backup_failed", why, retryable=False)
                case NotApplied(code="not_found"):
                    return Unknown("the job was there and is no longer: somebody else ended it")
                case Answer():
                    return told
                case _:
                    pass  # A look that got no answer says nothing about the job.
            await asyncio.sleep(pause.total_seconds())
            pause = min(2 * pause, _LAST_LOOK)
            told = await self._api.ask(look, "GET", one)
