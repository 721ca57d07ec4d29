"""Outcomes on a real log: each counts once and no fall is lost, whoever notes them when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from smartops.contracts.bounds import Limits
from smartops.contracts.events import (
    AutonomyChanged,
    TaskApprovalRejected,
    TaskCompleted,
    TaskFailed,
    TaskGrantRevoked,
    TaskRolledBack,
    ToolRegistered,
    TrackNoted,
)
from smartops.contracts.folds import AutonomyDefault, track_stream
from smartops.contracts.folds.autonomy import AutonomyScope
from smartops.contracts.folds.track import COMPLETE_EVERY
from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM, stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import Environment, EventData
from smartops.eventstore import EventStore
from smartops.eventstore.results import Committed, Conflict
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.units import Trigger
from smartops.policy.agents.autonomy import Why
from smartops.policy.agents.levels import Levels
from smartops.policy.agents.outcomes import Outcomes
from smartops.policy.agents.track import TrackRecord, Tracks, track_reactor
from smartops.policy.gate.bounds import envelope_of
from smartops.policy.gate.state import Gate, evolve
from smartops.policy.gate.voting import voice_of
from smartops.policy.settings import PolicySettings
from smartops.runtime.cues import Cue, cue_of_row
from smartops.runtime.decision import Decision
from smartops.runtime.plans import Plans
from smartops.runtime.reactor import Reaction, Reactor, decode
from smartops.runtime.recording import Cause, Recorder, UnitBuilder
from smartops.runtime.service import Service
from smartops.runtime.views import NotInLog, Views
from support.approvals import Person, required
from support.grants import grant_for
from support.plans import phase, plan, step, tool
from support.store import LogDatabase

pytest_plugins = ["support.store_fixtures"]

POLICY, RUNNER = "smartops_policy", "smartops_runner"
AGENT = ("runbook", "1.0.0")
STAGING = Environment.STAGING


class Process:
    """One process of policy, without its bus."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.recorder = Recorder("policy", Subjects("smartops"))
        self.views = Views(store)
        self.plans = Plans(store)
        self.settings = SimpleNamespace()
        self.gates = self.reactor(Gate(), evolve)
        notes = track_reactor(self)  # type: ignore[arg-type]
        self.tracks = Tracks(self, notes)  # type: ignore[arg-type]
        self.levels = Levels(self)  # type: ignore[arg-type]
        window = SimpleNamespace(
            anomaly_window=20, anomaly_least_runs=5, anomaly_success_percent=90
        )
        self.outcomes = Outcomes(self, self.gates, notes, self.levels, window)  # type: ignore[arg-type]

    def reactor(self, initial: Any, evolving: Any, *, newest: int | None = None) -> Reactor[Any]:
        return Reactor(self.store, self.recorder, initial=initial, evolve=evolving, newest=newest)

    def cause(self, cue: Cue, task: UUID | None) -> Cause:
        return Cause(Trigger(cue.handler, cue.id), task)

    async def nothing_follows(self, cue: Cue, version: int) -> Reaction:
        return await Service.nothing_follows(self, cue, version)  # type: ignore[arg-type]

    async def record(self, tenant: str, *tools: str) -> TrackRecord:
        found, reads = await self.tracks.of(tenant, *AGENT, frozenset(tools), STAGING, fresh=True)
        assert reads == ()
        return found

    async def level(self, tenant: str, *tools: str) -> int:
        found, _ = await self.levels.of(tenant, *AGENT, frozenset(tools), STAGING, fresh=True)
        return found


class World:
    """A tenant of its own, where things happen."""

    def __init__(self, policy: EventStore, runner: EventStore) -> None:
        self.tenant = f"t{uuid4().hex[:10]}"
        self.stores = {"policy": policy, "runner": runner}

    async def says(
        self, service: str, name: str, *events: EventData, blobs: tuple[bytes, ...] = ()
    ) -> None:
        store = self.stores[service]
        version = len(await store.read_stream(name))
        recorder = Recorder(service, Subjects("smartops"))
        builder = UnitBuilder(recorder, name, version, store.db_now())
        builder.add(Cause(Trigger("test", uuid4()), None), Decision(events, blobs=blobs))
        assert isinstance(await store.append(builder.unit()), Committed)

    async def granted(self, made: Plan, **fields: Any) -> Any:
        """A plan of a task of its own, granted."""
        task, run = made.header.task, uuid4()
        granted = grant_for(made, run=run, **fields)
        await self.says(
            "policy", stream(self.tenant, "gate", task), granted, blobs=(made.document(),)
        )
        return granted

    async def ended(self, kind: str, made: Plan | None = None) -> Cue:
        """A run that came to its end; the end, as a message tells of it."""
        made = made or a_plan(self.tenant)
        granted = await self.granted(made)
        task, run = made.header.task, granted.run
        event: EventData
        match kind:
            case "completed":
                event = TaskCompleted(task=task, run=run, changed=1, calls=1)
            case "rolled_back":
                event = TaskRolledBack(task=task, run=run, reason="unhealthy", undone=1)
            case _:
                event = TaskFailed(task=task, run=run, error_code="x", message="no")
        return await self.told("runner", stream(self.tenant, "run", run), event)

    async def told(self, service: str, name: str, event: EventData) -> Cue:
        await self.says(service, name, event)
        row = (await self.stores[service].newest(name, 1))[0]
        return cue_of(row)

    async def changes(self) -> list[AutonomyChanged]:
        rows = await self.stores["policy"].read_stream(stream(self.tenant, "autonomy", AGENT[0]))
        return [event for event in map(decode, rows) if isinstance(event, AutonomyChanged)]

    async def notes(self) -> list[TrackNoted]:
        rows = await self.stores["policy"].read_stream(track_stream(self.tenant, *AGENT, STAGING))
        return [event for event in map(decode, rows) if isinstance(event, TrackNoted)]


def cue_of(row: StoredRow) -> Cue:
    return replace(cue_of_row("policy.outcomes", row), state=row.state)


def a_plan(tenant: str, *tools: str) -> Plan:
    steps = [step("web-01", tool(name)) for name in tools or ("patch",)]
    return plan(phase(*steps), environment=STAGING, tenant=tenant, task=uuid4())


@asynccontextmanager
async def at_work(log: LogDatabase, count: int = 1) -> AsyncIterator[tuple[World, list[Process]]]:
    async with AsyncExitStack() as leaving:
        stores = [await leaving.enter_async_context(log.store(POLICY)) for _ in range(count)]
        runner = await leaving.enter_async_context(log.store(RUNNER))
        yield World(stores[0], runner), [Process(store) for store in stores]


async def test_an_outcome_that_two_processes_are_told_of_counts_once(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database, 2) as (world, processes):
        cues = [await world.ended("completed") for _ in range(12)]
        await asyncio.gather(*(p.outcomes.heed(cue) for cue in cues for p in processes))
        for process in processes:
            assert (await process.record(world.tenant, "patch")).runs == 12
        assert [note.number for note in await world.notes()] == list(range(1, 13))


async def test_rollbacks_at_the_same_moment_cost_a_level_each(log_database: LogDatabase) -> None:
    async with at_work(log_database, 2) as (world, [one, other]):
        scope = AutonomyScope("1.0.0", "patch", "staging")
        raised = Why("raised", "it was").change(AGENT[0], scope, 3, 2)
        await world.says("policy", stream(world.tenant, "autonomy", AGENT[0]), raised)
        assert [await p.level(world.tenant, "patch") for p in (one, other)] == [3, 3]
        cues = [await world.ended("rolled_back") for _ in range(2)]
        await asyncio.gather(
            one.outcomes.heed(cues[0]), other.outcomes.heed(cues[1]), one.outcomes.heed(cues[1])
        )
        assert [(c.before, c.level) for c in (await world.changes())[1:]] == [(3, 2), (2, 1)]
        assert await other.level(world.tenant, "patch") == 1


async def test_many_rollbacks_in_one_process_lose_no_fall(log_database: LogDatabase) -> None:
    async with at_work(log_database) as (world, [process]):
        tools = ("patch", "restart", "drain")
        cues = [await world.ended("rolled_back", a_plan(world.tenant, name)) for name in tools]
        await asyncio.gather(*(process.outcomes.heed(cue) for cue in cues))
        assert sorted(change.tool for change in await world.changes()) == sorted(tools)
        assert {change.level for change in await world.changes()} == {1}
        assert (await process.record(world.tenant)).rolled_back == 3


async def test_a_rejection_costs_a_level_and_is_put_down_to_the_person(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database) as (world, [process]):
        made = a_plan(world.tenant)
        gate = stream(world.tenant, "gate", made.header.task)
        await world.says("policy", gate, required(made), blobs=(made.document(),))
        rejected = TaskApprovalRejected(
            number=1,
            plan_hash=made.hash(),
            by=voice_of(Person("ben").voter(), Person("ben").actor),
            note="not so",
            then="replan",
        )
        cue = await world.told("policy", gate, rejected)
        await process.outcomes.heed(cue)
        [change] = await world.changes()
        assert (change.rule, change.reason) == ("rejection", "ben rejected the plan: not so")
        assert (await process.record(world.tenant, "patch")).rejected == 1


@pytest.mark.parametrize(("limits", "level"), [((), 0), ((Limits(max_calls=1),), 2)])
async def test_a_breach_of_the_plans_own_envelope_takes_all_levels(
    log_database: LogDatabase, limits: tuple[Limits, ...], level: int
) -> None:
    async with at_work(log_database) as (world, [process]):
        made = a_plan(world.tenant)
        granted = await world.granted(made, envelope=envelope_of(made, limits))
        revoked = TaskGrantRevoked(
            principal="tool_gateway", reason="beyond", grant=1, run=granted.run
        )
        gate = stream(world.tenant, "gate", made.header.task)
        await process.outcomes.heed(await world.told("policy", gate, revoked))
        assert await process.level(world.tenant, "patch") == level
        assert await process.level(world.tenant, "whatever") == level
        assert await world.notes() == []


async def test_what_a_person_takes_back_is_not_the_agents_doing(log_database: LogDatabase) -> None:
    async with at_work(log_database) as (world, [process]):
        made = a_plan(world.tenant)
        granted = await world.granted(made)
        revoked = TaskGrantRevoked(principal="ana", reason="enough", grant=1, run=granted.run)
        gate = stream(world.tenant, "gate", made.header.task)
        cue = await world.told("policy", gate, revoked)
        assert await process.outcomes.heed(cue) is Reaction.DONE
        assert await process.outcomes.heed(cue) is Reaction.ALREADY
        assert await world.changes() == []


async def test_what_the_log_does_not_hold_counts_for_nobody(log_database: LogDatabase) -> None:
    async with at_work(log_database) as (world, [process]):
        cue = await world.ended("rolled_back")
        assert cue.state is not None
        lie = replace(cue, state=cue.state.replace(b"unhealthy", b"agreeable"))
        await process.outcomes.heed(lie)  # The reason is read again in the log.
        assert [change.reason for change in await world.changes()] == ["unhealthy"]
        with pytest.raises(NotInLog):
            await process.outcomes.heed(replace(cue, id=uuid4(), version=7))
        assert len(await world.notes()) == 1


async def test_five_failures_are_an_anomaly_and_the_sixth_begins_anew(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database) as (world, [process]):
        for _ in range(6):
            await process.outcomes.heed(await world.ended("failed"))
        assert [change.rule for change in await world.changes()] == ["anomaly"]
        assert [note.recent for note in await world.notes()][-2:] == ["", "-"]


async def test_a_raised_level_falls_before_the_first_plan_with_a_changed_tool_is_weighed(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database, 2) as (world, [one, other]):
        name = f"tool_{uuid4().hex[:8]}"
        before, after = tool(name), tool(name, timeout_ms=1)
        async with log_database.store("smartops_tool_gateway") as gateway:
            world.stores["tool_gateway"] = gateway
            platform = stream(PLATFORM, "tool", name)
            first = ToolRegistered(descriptor=before, digest=before.digest())
            await world.says("tool_gateway", platform, first)
            scope = AutonomyScope("1.0.0", name, "staging")
            raised = Why("raised", "so it was").change(AGENT[0], scope, 3, 2, before.digest())
            await world.says("policy", stream(world.tenant, "autonomy", AGENT[0]), raised)
            assert await one.level(world.tenant, name) == 3
            then = ToolRegistered(descriptor=after, digest=after.digest())
            await world.says("tool_gateway", platform, then)
        told = await asyncio.gather(*(p.level(world.tenant, name) for p in (one, other, one)))
        assert told == [2, 2, 2]
        [change] = (await world.changes())[1:]
        assert (change.rule, change.before, change.level) == ("drift", 3, 2)


async def test_a_grant_that_was_decided_on_a_level_of_before_conflicts(
    log_database: LogDatabase,
) -> None:
    async with at_work(log_database, 2) as (world, [one, other]):
        assert await one.level(world.tenant, "patch") == 2
        await other.outcomes.heed(await world.ended("rolled_back"))
        level, reads = await one.levels.of(
            world.tenant, *AGENT, frozenset({"patch"}), STAGING, fresh=False
        )
        assert level == 2, "it has not heard of it yet"
        made = a_plan(world.tenant)
        gate = stream(world.tenant, "gate", made.header.task)
        builder = UnitBuilder(one.recorder, gate, 0, one.store.db_now())
        builder.add(Cause(Trigger("test", uuid4()), None), Decision([grant_for(made)], reads=reads))
        assert isinstance(await one.store.append(builder.unit()), Conflict)
        assert await one.level(world.tenant, "patch") == 1


async def test_a_cold_process_reads_the_newest_notes_and_knows_all(
    log_database: LogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(log_database, 2) as (world, [one, cold]):
        tools = ("patch", "restart", "drain")
        for number in range(COMPLETE_EVERY + 20):
            made = a_plan(world.tenant, tools[0] if number > 5 else tools[number % 3])
            await one.outcomes.heed(await world.ended("completed", made))
        asked: list[int | None] = []
        newest, read_stream = cold.store.newest, cold.store.read_stream

        async def counted(name: str, limit: int) -> list[StoredRow]:
            rows = await newest(name, limit)
            asked.append(len(rows))
            return rows

        async def refused(name: str, after: int = 0, limit: int | None = None) -> Any:
            assert after or "track-" not in name, "it reads from the beginning"
            return await read_stream(name, after, limit)

        monkeypatch.setattr(cold.store, "newest", counted)
        monkeypatch.setattr(cold.store, "read_stream", refused)
        known = await cold.record(world.tenant, "drain")
        assert (known.runs, known) == (2, await one.record(world.tenant, "drain"))
        assert known.environments_succeeded == {STAGING}
        assert max(n for n in asked if n is not None) == COMPLETE_EVERY
        await cold.outcomes.heed(await world.ended("completed"))
        assert (await one.record(world.tenant)).runs == COMPLETE_EVERY + 21


def test_the_default_of_the_product_is_what_the_settings_say() -> None:
    fields = PolicySettings.model_fields
    assert AutonomyDefault() == AutonomyDefault(
        fields["production_autonomy"].default, fields["default_autonomy"].default
    )
