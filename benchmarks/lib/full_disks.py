"""What everybody does and says while a disk is full."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
from smartops.contracts.catalogue import SERVICES
from smartops.devstack.stack import Stack
from smartops.eventstore.faults import AWAY

from benchmarks.lib.herald import Herald
from benchmarks.lib.links import DATABASE, Links
from benchmarks.lib.monitor import monitor_page
from benchmarks.lib.person import Person
from benchmarks.lib.readiness import Readiness
from benchmarks.lib.server_disks import BUS, DATA, WAL
from benchmarks.lib.superuser import on_the_bus

__all__ = ["Watched", "ask_doctor", "asked_for_more", "fill_up_the_wal", "noticed", "watched"]

SETTLING_S = {DATA: 3.0, WAL: 3.0, BUS: 8.0}
"""After so many seconds all have found out, and only retries are left: an answer of the bus is
waited for five seconds."""
LOOK_S = 0.1
ANSWER_S = 2.0

_COMPLAINT = re.compile(r" smartops_(\w+)@\S+ (?:ERROR|FATAL|PANIC): ")
_NO_SPACE = "No space left on device"


@dataclass(slots=True)
class Watched:
    """One spell of a full disk."""

    disk: str
    noticed_s: float | None = None
    """Until the server itself said so."""
    seconds: float = 0.0
    """Over which was counted."""
    requests_per_s: dict[str, float] = field(default_factory=dict)
    """Sent to the server with the full disk, by service: statements that failed and connections
    opened, or messages to the bus."""
    ready: Readiness = field(default_factory=Readiness)
    owing: set[str] = field(default_factory=set)
    """Services that cannot get rid of something."""
    advice: dict[str, str] = field(default_factory=dict)
    """What the doctor found wrong and says is to be done, by code."""
    healed_s: float | None = None
    """From the room that was made until all was ready again."""

    def figures(self) -> dict[str, object]:
        """For people."""
        return {
            "disk": self.disk,
            "noticed_s": self.noticed_s,
            "counted_s": round(self.seconds, 1),
            "requests_per_s": self.requests_per_s,
            "affected": sorted(self.owing),
            "not_ready": {name: sorted(why) for name, why in self.ready.reasons.items()},
            "in_words": self.ready.texts,
            "doctor": self.advice,
            "healed_s": self.healed_s,
        }


async def noticed(stack: Stack, disk: str, since: int, patience_s: float) -> float | None:
    """Seconds until the server with the full disk says so; None: it did not.

    Args:
        stack: with the server.
        disk: which one is full.
        since: how long PostgreSQL's log was before.
        patience_s: how long to wait.
    """
    began = time.monotonic()
    while time.monotonic() - began < patience_s:
        if disk == BUS:
            with suppress(OSError):
                if _NO_SPACE.lower() in str(await monitor_page(stack, "/healthz")).lower():
                    return round(time.monotonic() - began, 2)
        elif _NO_SPACE in log_of(stack)[since:]:
            return round(time.monotonic() - began, 2)
        await asyncio.sleep(LOOK_S)
    return None


async def fill_up_the_wal(stack: Stack, patience_s: float) -> None:
    """Begin new segments until there is no room for one, which takes PostgreSQL down."""
    give_up = time.monotonic() + patience_s
    with suppress(*AWAY):
        connection = await asyncpg.connect(stack.postgres.dsn(), timeout=ANSWER_S)
        try:
            while time.monotonic() < give_up:
                # A segment without a word in it is not left for the next one.
                await connection.execute("select pg_logical_emit_message(true, 'full', '')")
                await connection.execute("select pg_switch_wal()")
        finally:
            connection.terminate()


async def watched(stack: Stack, links: Links, found: Watched, seconds: float) -> None:
    """Let it last, and count; the first moments, in which all find out, are not counted."""
    settling = min(SETTLING_S[found.disk], seconds / 2)
    async with Readiness.followed(stack) as found.ready:
        await asyncio.sleep(settling)
        began, sent = time.monotonic(), await _sent(stack, links, found.disk)
        await asyncio.sleep(seconds - settling)
        found.advice = await ask_doctor(stack)
        sent = await _sent(stack, links, found.disk) - sent
        found.seconds = time.monotonic() - began
        found.owing = await _owing(stack, found, sent)
    found.requests_per_s = {name: round(sent[name] / found.seconds, 2) for name in SERVICES}


async def ask_doctor(stack: Stack) -> dict[str, str]:
    """The problems that `smartops doctor` finds, each with what it says is to be done."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "smartops.sdk.cli", "--home", str(stack.home), "--json", "doctor"),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await child.communicate()
    return {
        finding["code"]: f"{finding['text']}: {finding['advice']}"
        for finding in json.loads(said)["findings"]
        if finding["level"] == "problem"
    }


@asynccontextmanager
async def asked_for_more(stack: Stack, herald: Herald, prefix: str) -> AsyncIterator[None]:
    """Let the herald ask for something each second during the block."""
    async with on_the_bus(stack, "operator") as nats:
        person = Person(stack, "operator", nats)

        async def speak() -> None:
            for number in count(1):
                await herald.ask(person, f"{prefix}-{number}")
                await asyncio.sleep(1.0)

        task = asyncio.create_task(speak())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


def log_of(stack: Stack) -> str:
    """PostgreSQL's log so far."""
    return Path(stack.postgres.log_path).read_text("utf-8", "replace")


async def _sent(stack: Stack, links: Links, disk: str) -> Counter[str]:
    if disk != BUS:
        return Counter(_COMPLAINT.findall(log_of(stack))) + Counter(links.attempts(DATABASE))
    page = await monitor_page(stack, "/connz?limit=1024")
    sent: Counter[str] = Counter()
    for connection in page["connections"]:
        sent[connection.get("name", "")] += connection["in_msgs"]
    return sent


async def _owing(stack: Stack, found: Watched, sent: Counter[str]) -> set[str]:
    """Who is affected: all without a database, else who was refused, or has events left."""
    if found.disk == WAL:
        return set(SERVICES)
    if found.disk != BUS:
        return {name for name in SERVICES if sent[name]}
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        rows = await connection.fetch("select distinct role from smartops_log.outbox")
    finally:
        await connection.close()
    return {row[0].removeprefix("smartops_") for row in rows}
