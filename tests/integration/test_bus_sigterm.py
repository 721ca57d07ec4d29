"""A process that is asked to end, on a real server: nothing waits for its ack timer."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from datetime import timedelta

from smartops.bus.pull import StandingPull
from support.bus import Bench, Seen

pytest_plugins = ["support.bus_fixtures"]

CONCURRENCY = 4
MESSAGES = 50

CHILD = f"""
import asyncio, signal, sys
from datetime import timedelta
from smartops.bus.connection import close, connect
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import PullOptions

async def never(delivery):
    print("started", flush=True)
    await asyncio.Event().wait()

async def main(url, stream, durable):
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    nc = await connect(url, name="child", inbox_prefix="_INBOX_child")
    options = PullOptions(concurrency={CONCURRENCY})
    pull = StandingPull(nc, stream, durable, never, options=options)
    await pull.start()
    await ended.wait()
    await pull.stop(timedelta(milliseconds=200))
    await close(nc)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_on_sigterm_a_process_gives_back_what_has_not_started_and_what_will_not_end(
    bench: Bench,
) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, bench.server.url, bench.stream, bench.durable),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        await bench.publish(*range(1, MESSAGES + 1))
        for _ in range(CONCURRENCY):
            assert await asyncio.wait_for(child.stdout.readline(), 20) == b"started\n"
        assert await bench.pending() == CONCURRENCY
        child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(child.wait(), 10) == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()

    seen = Seen()
    pull = StandingPull(await bench.connect("heir"), bench.stream, bench.durable, seen)
    began = time.monotonic()
    await pull.start()
    await seen.at_least(MESSAGES, seconds=5)
    await pull.stop(timedelta(seconds=1))
    assert time.monotonic() - began < 5, "the ack timer of 30 s was not waited for"
    assert sorted(set(seen.sequences)) == list(range(1, MESSAGES + 1))
