"""Writers in processes of their own: the order of commits is the order of positions."""

from __future__ import annotations

import asyncio
import itertools
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from smartops.eventstore import StoredRow
from smartops.eventstore.chain import Verifier
from support.store import PASSWORD, PLANNER, LogDatabase

pytest_plugins = ["support.store_fixtures"]

TESTS = Path(__file__).parents[1]
WRITERS = 3
UNITS = 160


async def started(stack: AsyncExitStack, dsn: str, name: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "support.store_writer", dsn, PLANNER, PASSWORD, name, str(UNITS)),
        cwd=TESTS,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )

    async def ended() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    stack.push_async_callback(ended)
    return process


async def test_a_reader_by_position_sees_each_commit_of_three_processes_in_order(
    log_database: LogDatabase,
) -> None:
    async with AsyncExitStack() as stack:
        audit = await stack.enter_async_context(log_database.store("smartops_audit"))
        writers = [
            await started(stack, log_database.dsn, f"p{number}") for number in range(WRITERS)
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert await writer.stdout.readline() == b"ready\n"
        is_done = asyncio.Event()
        seen: list[StoredRow] = []

        async def tail() -> Verifier:
            verifier = Verifier()
            while True:
                is_last = is_done.is_set()
                rows = await audit.read_log(len(seen), 50)
                # What becomes visible continues what was visible: no gap, and nothing below.
                assert [row.position for row in rows] == [
                    *range(len(seen) + 1, len(seen) + 1 + len(rows))
                ]
                assert verifier.feed(rows) is None
                seen.extend(rows)
                if is_last and not rows:
                    return verifier

        tailing = asyncio.create_task(tail())
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write(b"go\n")
        answers = [await writer.communicate() for writer in writers]
        is_done.set()
        verifier = await tailing
    assert verifier.position == sum(int(out) for out, _ in answers) == len(seen)
    names = [row.stream.split("-")[1] for row in seen]
    # They did write at the same time: turns, not one after the other.
    assert sum(one != other for one, other in itertools.pairwise(names)) > 2 * WRITERS
    assert [row.recorded_at for row in seen] == sorted(row.recorded_at for row in seen)
