"""The bus as its own monitor tells it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from smartops.devstack.monitor import read_monitor
from smartops.devstack.stack import Stack

__all__ = ["monitor_page", "stream_states"]


async def monitor_page(stack: Stack, path: str) -> dict[str, Any]:
    """One page of nats-server's HTTP monitor.

    Raises:
        OSError: the server is away.
    """
    port = urlsplit(stack.nats.monitor_url).port
    if port is None:
        raise ValueError("nats-server has no HTTP monitor: its configuration must name one")
    return await read_monitor(port, path)


async def stream_states(stack: Stack) -> dict[str, dict[str, Any]]:
    """State (`messages`, `last_seq`, ...) and `consumer_detail` of each stream, by its name."""
    page = await monitor_page(stack, "/jsz?streams=true&consumers=true&accounts=true")
    return {
        stream["name"]: {**stream["state"], "consumers": stream.get("consumer_detail") or []}
        for account in page["account_details"]
        for stream in account.get("stream_detail") or []
    }
