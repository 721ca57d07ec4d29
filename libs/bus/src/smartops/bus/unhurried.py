"""Waiting for the client library with a limit, without cancelling it.

A flush or drain waits for a PONG. If it is cancelled, the client keeps the cancelled future in
its queue, fails on the late PONG, and its reader ends: the connection then looks alive and is
deaf until its pings time out. So we stop waiting, and let the call end by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from nats import errors as nats_errors

__all__ = ["finishes_within"]

_log = logging.getLogger(__name__)
_left_behind: set[asyncio.Task[Any]] = set()
"""The loop holds tasks weakly; this keeps ours until they end."""


async def finishes_within(limit: timedelta, call: Coroutine[Any, Any, Any]) -> bool:
    """Whether `call` ended well within `limit`; it goes on in the background if it did not."""
    task = asyncio.get_running_loop().create_task(call)
    _left_behind.add(task)
    task.add_done_callback(_ended)
    await asyncio.wait({task}, timeout=limit.total_seconds())
    return task.done() and not task.cancelled() and task.exception() is None


def _ended(task: asyncio.Task[Any]) -> None:
    _left_behind.discard(task)
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, nats_errors.Error):
        _log.info("the bus did not answer: %r", error)
    elif error is not None:
        _log.error("an error while waiting for the bus", exc_info=error)
