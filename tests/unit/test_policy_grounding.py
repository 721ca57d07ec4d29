"""What a plan is weighed on is gathered for what it does: nothing is looked up for reads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM
from smartops.contracts.wire import Category, Environment
from smartops.policy.agents.track import TrackRecord
from smartops.policy.scoring.grounding import Grounding
from support.plans import TASK, TENANT, phase, plan, step, tool

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)
READ, WRITE = tool("look", category=Category.READ), tool()
TOOLS = {made.name: made for made in (READ, WRITE)}

LOOKING = plan(phase(step("web-01", READ)), environment=Environment.STAGING)
WRITING = plan(phase(step("web-01", WRITE)), environment=Environment.STAGING)


class World:
    """Everything that grounds are gathered from, and what was asked of it."""

    def __init__(self, *, last_run: timedelta | None = None, disabled: bool = False) -> None:
        self.read: list[str] = []
        self.asked: list[frozenset[str]] = []
        self.last_run_at = None if last_run is None else NOW - last_run
        mapped = SimpleNamespace(roles=("operator", "org-admin"), disabled=disabled)
        self.person = SimpleNamespace(mapped=mapped, stream="acme/actor-ana", version=4)
        self.store = self
        self.views = SimpleNamespace(tool=SimpleNamespace(load_all=self._tools))

    def db_now(self) -> datetime:
        return NOW

    async def _tools(self, streams: Iterable[str], *, fresh: bool) -> list[Any]:
        del fresh
        names = (stream.removeprefix(f"{PLATFORM}/tool-") for stream in streams)
        return [SimpleNamespace(state=SimpleNamespace(descriptor=TOOLS.get(n))) for n in names]

    async def find(self, tenant: str, principal: str, *, fresh: bool) -> Any:
        del tenant, principal, fresh
        return self.person

    async def of(
        self, tenant: str, agent: str, version: str, tools: frozenset[str], *rest: Any, fresh: bool
    ) -> Any:
        del tenant, agent, version, rest, fresh
        self.asked.append(tools)
        return TrackRecord(last_run_at=self.last_run_at), ()

    async def read_stream(self, stream: str, after: int = 0, limit: int | None = None) -> list[Any]:
        del after, limit
        self.read.append(stream)
        return []


async def level_of(*_: Any, **__: Any) -> tuple[int, tuple[tuple[str, int], ...]]:
    return 2, (("acme/autonomy-runbook", 3),)


def gathering(world: World, path: Path | None = None) -> Grounding:
    known: Any = world
    return Grounding(
        known,
        known,
        cast("Any", SimpleNamespace(of=level_of)),
        known,
        cast("Any", SimpleNamespace(autonomy_file=path)),
    )


async def grounds(world: World, made: Plan, path: Path | None = None) -> Any:
    return await gathering(world, path).of(TENANT, TASK, 1, made, fresh=False)


async def test_nothing_is_looked_up_for_a_plan_that_only_reads() -> None:
    world = World(last_run=timedelta(0))
    made = LOOKING.model_copy(update={"header": LOOKING.header.model_copy(update={"evidence": ()})})
    found, reads = await grounds(world, made)
    assert world.read == []
    assert found.standing.tool_modes == {}
    assert found.standing.cooldown_left == timedelta()
    assert found.requester_roles == ()
    assert reads == (("acme/autonomy-runbook", 3),)


async def test_a_plan_that_writes_rests_on_intent_evidence_and_requester() -> None:
    world = World()
    found, reads = await grounds(world, WRITING)
    assert set(world.read) == {f"{TENANT}/task-{TASK}"}
    assert found.standing.tool_modes == {"patch": "canary_only"}
    assert found.requester_roles == ("operator", "org-admin")
    assert ("acme/actor-ana", 4) in reads


async def test_a_requester_who_is_switched_off_has_no_roles() -> None:
    found, _ = await grounds(World(disabled=True), WRITING)
    assert found.requester_roles == ()


@pytest.mark.parametrize(
    ("last_run", "left"),
    [
        (None, timedelta()),
        (timedelta(0), timedelta(minutes=5)),
        (timedelta(minutes=4, seconds=59), timedelta(seconds=1)),
        (timedelta(minutes=5), timedelta()),
        (timedelta(days=9), timedelta()),
    ],
)
async def test_the_rest_counts_from_the_agents_last_run_with_whatever_tools(
    last_run: timedelta | None, left: timedelta
) -> None:
    world = World(last_run=last_run)
    found, _ = await grounds(world, WRITING)
    assert found.standing.cooldown_left == left
    assert frozenset() in world.asked


async def test_a_window_blocks_what_writes_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "autonomy.json"
    path.write_text(
        '{"environments": {"staging": {"blocked": [{"start": "00:00", "end": "23:59"}]}}}',
        encoding="utf-8",
    )
    assert (await grounds(World(), WRITING, path))[0].standing.blocked
    assert not (await grounds(World(), LOOKING, path))[0].standing.blocked
