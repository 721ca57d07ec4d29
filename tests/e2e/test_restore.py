"""An installation restored to a point: what was before goes on, what came after is owned up to."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest
from smartops.contracts.catalogue import RUNNER
from smartops.contracts.events import TaskApprovalRequired, ToolCallDispatched
from smartops.devstack.backup import back_up, mark
from smartops.devstack.errors import BackupError
from smartops.devstack.restore import restore
from smartops.sdk.anchors import read_anchors
from smartops.sdk.chain import verify
from smartops.sdk.profile import Profile
from support.event_stream import held_subjects, subject_of
from support.stacks import House, comes_true, house_at, store_of


async def test_work_from_before_the_point_ends_and_the_bus_is_filled_again(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with house_at(home, servers=6) as house:
        early = await house.drift("web-01")
        await house.approve(early)
        assert await house.outcome(early) == "completed"
        await back_up(home)

        waiting = await house.drift("web-02")
        required = await house.until(waiting, TaskApprovalRequired)
        running = await house.drift("web-03", "web-04")
        await house.approve(running)
        await house.until(running, ToolCallDispatched)
        point = await mark(home, "before-the-change")

        await house.approve(waiting)
        assert await house.outcome(waiting) == "completed"
        assert await house.outcome(running) == "completed"
        late = await house.drift("web-05")
        await house.approve(late)
        assert await house.outcome(late) == "completed"
        before = house.record()
        last = await house.head()
        with pytest.raises(BackupError, match="is up"):
            await restore(home, "before-the-change", "test")

    told = await restore(home, "before-the-change", "test")
    assert told.position == point.position < last
    assert str(late) in told.discarded.tasks
    assert {call.target for call in told.discarded.calls} >= {"web-02", "web-05"}
    assert told.anchors["anchors_void"]

    async with house_at(home, servers=6) as house:
        # What was dispatched before the point was read back, not sent again; what is done again has
        # the same key, so that a tool which knows keys does it once.
        assert await house.outcome(running) == "completed"
        await house.approver.decide(
            waiting, required.plan_hash, required.assessment_hash, "approve"
        )
        # What this plan rests on is not so any more, since the world went on:
        # it is planned anew, and asked for again.
        await house.approve(waiting, plan=2)
        assert await house.outcome(waiting) == "completed"
        assert await house.reader.parked() == []
        assert all(row["task"] != late for row in await house.reader.tasks(limit=100))

        # Until audit's line said so, the heads that were anchored beyond the point forbade this.
        heads = read_anchors(Profile.load(home).home / "anchors", "acme")
        assert (await verify(house.reader.log(), heads=heads)).position > point.position
        await comes_true(lambda: holds_what_the_log_holds(house, late))

        assert house.record()[: len(before)] == before
        for server in ("web-03", "web-04", "web-02"):
            assert Counter(applied(house))[server] == 1, server


def applied(house: House) -> list[str]:
    """Servers, once for each write that had an effect."""
    text = (house.stack.home / "playground.record.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [line["server"] for line in lines if "applied" in line]


async def holds_what_the_log_holds(house: House, late: UUID) -> bool:
    """Whether the event stream was filled again, and tells nothing of what was given up."""
    async with store_of(house.stack, RUNNER) as store:
        rows = await store.read_log(0, 10_000)
    expected = Counter(subject for row in rows if (subject := subject_of(house, row)) is not None)
    held = await held_subjects(house)
    assert not any(str(late) in subject for subject in held), "an event that does not exist"
    return not expected - held
