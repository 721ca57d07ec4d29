"""An approved plan exchanged for another, wherever it lies: row, blob, message or memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from uuid import UUID

import asyncpg
from smartops.bus.api import BusClient
from smartops.contracts.canonical import canonical, digest, raw_digest
from smartops.contracts.events import TaskApprovalGranted
from smartops.contracts.plan import Plan
from smartops.devstack.stack import Stack

from benchmarks.lib.hostile.plans import FALSE_PLANS, NOT_THERE, FalsePlan, seal_anew

__all__ = ["CHANGES", "ROWS", "Forged", "Forger", "forge"]

_UNSOUND = {NOT_THERE, "a plan with two steps of one id"}

CHANGES: tuple[FalsePlan, ...] = tuple(
    false for false in FALSE_PLANS if false.sealed and false.name not in _UNSOUND
)
"""Ways to change a plan so that it is sound in itself."""

ROWS = (
    "task.planned",
    "task.plan.validated",
    "task.approval.required",
    "task.approval.recorded",
    "task.approval.granted",
)
"""Events of a task whose rows name its plan."""


_DISARM = (
    "alter table smartops_log.events disable trigger all",
    "alter table smartops_log.blobs disable trigger all",
    "alter table smartops_log.blobs alter column digest drop expression",
    # What honest services store must still be found.
    """create function smartops_log.name_blob() returns trigger language plpgsql as
       'begin new.digest := coalesce(new.digest, sha256(new.content)); return new; end'""",
    """create trigger name_blob before insert on smartops_log.blobs
       for each row execute function smartops_log.name_blob()""",
)
"""As the database's superuser: rows and blobs can be changed, and a blob lie under any digest."""


@dataclass(frozen=True, slots=True)
class Forged:
    """A plan in the place of an approved one.

    Attributes:
        task: whose.
        grant: under which the real one was approved.
        real: the approved one.
        false: what is to be carried out in its stead.
        document: the false one's bytes.
        change: what differs, by name.
    """

    task: UUID
    grant: TaskApprovalGranted
    real: Plan
    false: Plan
    document: bytes
    change: str


def forge(
    task: UUID,
    grant: TaskApprovalGranted,
    document: bytes,
    change: FalsePlan,
    random: Random,
    victim: str,
) -> Forged:
    """Change an approved plan's document, and seal it anew.

    Args:
        task: whose plan it is.
        grant: under which it may run.
        document: its bytes, as stored.
        change: what is done to it.
        random: of what is made up.
        victim: a server that nobody has business with.
    """
    changed = json.loads(document)
    change.falsify(changed, random, victim)
    # What differs in nothing else differs in what it says of itself.
    changed["header"]["goal"] = "something else"
    plan_hash, stored = seal_anew(changed)
    return Forged(
        task,
        grant,
        Plan.read(document, plan_hash=grant.plan_hash),
        Plan.read(stored, plan_hash=plan_hash),
        stored,
        change.name,
    )


class Forger:
    """The superuser of the database and of the bus, who has first switched all guards off."""

    def __init__(self, connection: asyncpg.Connection, bus: BusClient, stack: Stack) -> None:
        self._connection = connection
        self._bus = bus
        self._subjects = stack.subjects
        self._tenant = stack.options.tenant

    async def disarm(self) -> None:
        """Let rows and blobs be changed, and a blob lie under a digest that is not its own."""
        for statement in _DISARM:
            await self._connection.execute(statement)

    async def row(self, topic: str, forged: Forged) -> None:
        """Let one event of the task name the false plan, whose blob is laid beside the real."""
        await self._blob(digest(forged.document), forged.document)
        place, _, state = await self._said(topic, forged.task)
        await self._connection.execute(
            "update smartops_log.events set state = $2 where position = $1",
            place,
            _renamed(state, forged),
        )

    async def blob(self, forged: Forged) -> None:
        """Lay the false plan under the digest of the real one."""
        await self._blob(forged.grant.document, forged.document)

    async def message(self, topic: str, forged: Forged) -> None:
        """Tell the real event once more, with the false plan in it."""
        _, version, state = await self._said(topic, forged.task)
        subject = self._subjects.event(self._tenant, topic, version, "-", forged.task)
        await self._bus.publish(subject, _renamed(state, forged))
        await self._bus.flush()

    async def _said(self, topic: str, task: UUID) -> tuple[int, int, bytes]:
        """Position, version and bytes of a task's last event of a topic."""
        row = await self._connection.fetchrow(
            "select position, topic, state from smartops_log.events"
            " where task = $1 and topic ^@ $2 order by position desc limit 1",
            task,
            f"{topic}.v",
        )
        if row is None:
            raise LookupError(f"task {task} has no {topic}")
        return row[0], int(row[1].rpartition(".v")[2]), bytes(row[2])

    async def _blob(self, name: str, content: bytes) -> None:
        await self._connection.execute(
            "insert into smartops_log.blobs (tenant, digest, content) values ($1, $2, $3)"
            " on conflict (tenant, digest) do update set content = excluded.content",
            self._tenant,
            raw_digest(name),
            content,
        )


def _renamed(state: bytes, forged: Forged) -> bytes:
    """The bytes of an event, with the false plan's names for the real one's."""
    said = json.loads(state)
    text = json.dumps(said)
    text = text.replace(forged.grant.plan_hash, forged.false.hash())
    text = text.replace(forged.grant.document, digest(forged.document))
    return canonical(json.loads(text))
