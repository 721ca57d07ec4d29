"""Durations are measured once per event, whatever becomes of the process and the read models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from smartops.audit.durations import Durations
from smartops.audit.options import AuditOptions
from smartops.audit.service import AuditService
from smartops.audit.standing import Part
from smartops.bus.relay import Outgoing
from smartops.telemetry.metrics import Metrics
from support.audit import AuditDatabase
from support.audit_histories import ops_task

pytest_plugins = ["support.audit_fixtures"]

_SOON = timedelta(milliseconds=5)
_QUICK = AuditOptions(busy_pause=_SOON, crowded_pause=_SOON, idle_pause=_SOON)


@asynccontextmanager
async def measuring(
    database: AuditDatabase, anchors: Path, until: int
) -> AsyncIterator[dict[str, float]]:
    """A process that projects up to a position; what it has measured is in hand at the end."""
    metrics = Metrics("audit")

    async def publish(messages: Sequence[Outgoing]) -> int:
        return len(messages)

    service = AuditService(
        database.audit_dsn, publish, anchors, options=_QUICK, durations=Durations(metrics)
    )
    await service.start()
    found: dict[str, float] = {}
    try:
        async with asyncio.timeout(20):
            await service.until(
                lambda s: s.counters.position >= until and s.part is Part.PROJECTING
            )
        yield found
    finally:
        await service.stop()
    for name in ("agent_latency", "approval_wait", "execution"):
        samples = [
            sample.value
            for family in metrics.registry.collect()
            for sample in family.samples
            if sample.name == f"orchestrator_{name}_seconds_count"
        ]
        found[name] = sum(samples)


async def test_each_task_is_measured_once_over_restarts_and_rebuilds(
    told: AuditDatabase, tmp_path: Path
) -> None:
    async with measuring(told, tmp_path, 46) as first:
        pass
    assert first == {"agent_latency": 2, "approval_wait": 2, "execution": 2}

    await told.tell([ops_task("acme", "next")])
    async with measuring(told, tmp_path, 69) as second:
        pass
    assert second == {"agent_latency": 1, "approval_wait": 1, "execution": 1}

    async with told.breaking_in() as conn:
        await conn.execute("update smartops.progress set projector = projector - 1")
    async with measuring(told, tmp_path, 69) as rebuilt:
        pass
    assert rebuilt == {"agent_latency": 0, "approval_wait": 0, "execution": 0}
