"""What services say of themselves at `/ready`, followed over a while."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

from smartops.devstack.stack import Stack

__all__ = ["Readiness", "ask_ready"]

LOOK_S = 0.2
PATIENCE_S = 3.0


class Readiness:
    """When each service was heard to be in trouble, and why."""

    def __init__(self) -> None:
        self.reasons: dict[str, set[str]] = defaultdict(set)
        """Parts that each service named."""
        self.texts: dict[str, str] = {}
        """The last thing that each said of what is wrong."""
        self.first_s: dict[str, float] = {}
        """Seconds until each said so for the first time."""

    @classmethod
    @asynccontextmanager
    async def followed(cls, stack: Stack) -> AsyncIterator[Readiness]:
        """Ask every service again and again, as an orchestrator does, during the block."""
        readiness = cls()
        task = asyncio.create_task(readiness._follow(stack))
        try:
            yield readiness
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _follow(self, stack: Stack) -> None:
        began = time.monotonic()
        while True:
            for name in stack.services:
                for part, text in (await ask_ready(stack, name)).items():
                    self.first_s.setdefault(name, round(time.monotonic() - began, 2))
                    self.reasons[name].add(part)
                    self.texts[name] = text
            await asyncio.sleep(LOOK_S)


async def ask_ready(stack: Stack, name: str) -> dict[str, str]:
    """What keeps a service from working, by part; nothing when it is ready."""
    return await asyncio.to_thread(_ask, stack.health_url(name))


def _ask(url: str) -> dict[str, str]:
    try:
        with urlopen(f"{url}/ready", timeout=PATIENCE_S) as reply:
            page = json.load(reply)
    except HTTPError as answer:
        page = json.load(answer)
    except OSError as error:
        return {"process": f"no answer: {error}"}
    return {one["part"]: one["trouble"] for one in page["reasons"]}
