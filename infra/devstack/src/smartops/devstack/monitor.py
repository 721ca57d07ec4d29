"""Asking a nats-server how it is: its HTTP monitor, or the greeting on its client port."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from smartops.devstack.ports import LOOPBACK

__all__ = ["greets", "read_monitor"]

PROBE_TIMEOUT_S: Final = 2.0


async def read_monitor(port: int, path: str) -> dict[str, Any]:
    """Return one page of the monitor.

    Raises:
        OSError: It does not answer (yet), or not in time.
    """
    async with asyncio.timeout(PROBE_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}\r\n\r\n".encode())
            _, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    if not body:
        raise ConnectionError("the monitor closed without an answer")
    page: dict[str, Any] = json.loads(body)
    return page


async def greets(port: int) -> bool:
    """Return whether a nats-server greets whoever connects to this port."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                return (await reader.readline()).startswith(b"INFO ")
            finally:
                writer.close()
    except OSError:
        return False
