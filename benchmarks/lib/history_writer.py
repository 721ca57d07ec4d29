"""A process that appends ops-tasks at a steady rate while something else is measured.

Arguments: name=dsn of each service. Question: `tenant`, `tasks`, `per_second`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from smartops.eventstore import EventStore

from benchmarks.lib.histories import append_at, ops_task
from benchmarks.lib.writers import Answer, serve


async def _main(answer_all: Callable[[Answer], Awaitable[None]]) -> None:
    async with AsyncExitStack() as leaving:
        stores = {}
        for argument in sys.argv[1:]:
            name, _, dsn = argument.partition("=")
            stores[name] = await EventStore.connect(dsn)
            leaving.push_async_callback(stores[name].close)

        async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
            began = time.perf_counter()
            tasks = [
                ops_task(question["tenant"], f"{began}-{number}")
                for number in range(question["tasks"])
            ]
            began = time.perf_counter()
            await append_at(stores, tasks, question["per_second"])
            return {"seconds": time.perf_counter() - began}

        await answer_all(answer)


if __name__ == "__main__":
    serve(_main)
