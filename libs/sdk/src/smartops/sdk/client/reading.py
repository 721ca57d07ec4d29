"""What a task plans, what has happened in it, and what happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from smartops.contracts.errors import Malformed
from smartops.contracts.events import AuditAppended
from smartops.contracts.plan import Plan
from smartops.sdk import watching
from smartops.sdk.client.connection import Connection
from smartops.sdk.errors import NotFound
from smartops.sdk.event import Event
from smartops.sdk.plan_card import PlanCard, card

__all__ = ["Reading"]

_PROJECTION_LOOK = 1.0
"""Seconds after which the projection is asked again, should the bus not tell that it moved."""


class Reading(Connection):
    """Looking, without changing anything."""

    async def card(
        self,
        task: UUID,
        plan_hash: str | None = None,
        *,
        patience: timedelta = timedelta(seconds=10),
    ) -> PlanCard:
        """The verified plan card of a task; waits for the projection if it is behind.

        Args:
            task: whose plan.
            plan_hash: which; None: the newest that has an assessment.
            patience: how long the projection may take.

        Raises:
            NotFound: there is no such plan, or it did not appear in time.
            Unverified: its bytes are not those that were hashed.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience.total_seconds()
        projected = self._subjects.event_filter(AuditAppended.topic, tenant=self.tenant)
        async with self._bus.listen([projected]) as inbox:
            while True:
                rows = await self.reader.plans(task)
                for row in rows:
                    wanted = plan_hash is None or row["plan_hash"] == plan_hash
                    if wanted and row["document"] is not None and row["assessment"] is not None:
                        found = card(
                            bytes(row["document"]),
                            bytes(row["assessment"]),
                            plan_hash=row["plan_hash"],
                            assessment_hash=row["assessment_hash"],
                            task=task,
                        )
                        return replace(found, before=_before(found.plan, rows))
                left = deadline - loop.time()
                if left <= 0:
                    raise NotFound(
                        f"task {task} has no plan to show yet. `smartops watch {task}` shows how "
                        "far it is."
                    )
                await inbox.stirred(min(left, _PROJECTION_LOOK))

    async def events(self, task: UUID) -> list[Event]:
        """What has happened in a task so far, from the log."""
        return await self.reader.events(task)

    def watch(self, task: UUID) -> AsyncGenerator[Event, None]:
        """What has happened in a task, and what happens, until it has ended.

        Each event comes once. The bus brings them at once; the log is asked first, and whenever
        the bus has been silent for a while. Leave it early inside `contextlib.aclosing`.

        Raises:
            Unreachable: the database does not answer at the beginning.
        """
        return watching.watch(self._bus, self.reader, self._subjects, task)

    def live(self, *, last: int = 0) -> AsyncGenerator[Event, None]:
        """The tenant's last events, then every one to come, for as long as one listens."""
        return watching.live(self._bus, self.reader, self._subjects, last=last)


def _before(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> Plan | None:
    """The plan before a plan; None for a first one, or where its bytes are not what was hashed."""
    for row in rows:
        if row["number"] == plan.header.number - 1 and row["document"] is not None:
            with contextlib.suppress(Malformed):
                return Plan.read(bytes(row["document"]), plan_hash=row["plan_hash"])
    return None
