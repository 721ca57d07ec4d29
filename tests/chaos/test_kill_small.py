"""The small form of `prove kill-everything`, and whether its checks notice what they are for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from uuid import UUID

import pytest
from smartops.contracts.events import TaskSubmitted, ToolCallCompleted, ToolCallDispatched

from benchmarks.lib.checks.acceptance import check_acceptance
from benchmarks.lib.checks.authority import check_authority
from benchmarks.lib.checks.effects import check_effects
from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.checks.history import check_history
from benchmarks.lib.checks.honesty import check_honesty
from benchmarks.lib.fates import Fates
from benchmarks.lib.log_tail import Said
from benchmarks.lib.ordeal import Load, Verdict
from benchmarks.prove.kill_everything import Plan, kill_everything

SMALL = Plan(
    load=Load(tasks=8, servers=60, seed=7, delay_ms=250, lost_answers=0, patience_s=40),
    kills=1,
    parts=("runner", "tool_gateway", "nats-server", "postgres"),
    pause_s=1.0,
    await_bus=False,
)


@pytest.fixture(scope="module")
async def judged(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    found = await kill_everything(tmp_path_factory.mktemp("home"), SMALL)
    assert found is not None
    return found


async def test_no_promise_breaks_when_services_bus_and_database_are_killed(judged: Verdict) -> None:
    assert judged.violations == ()
    assert judged.void is None
    assert judged.figures["kills"] == dict.fromkeys(SMALL.parts, 1)
    assert len(judged.evidence.accepted) >= SMALL.load.tasks


async def test_a_second_send_of_an_opaque_call_is_noticed(judged: Verdict) -> None:
    evidence = judged.evidence
    sent = next(r for r in evidence.requests if r.operation == "restart")

    twice = _with(evidence, requests=[*evidence.requests, sent])

    assert any("was sent 2 times" in found for found in check_effects(twice))
    assert any("dispatched 1 times" in found for found in check_authority(twice))


async def test_a_call_that_claims_more_than_happened_is_noticed(judged: Verdict) -> None:
    evidence = judged.evidence
    done = next(call for call, one in evidence.completed.items() if _restarts(one))
    requests = [
        dataclasses.replace(r, outcome="refused") if r.call == str(done) else r
        for r in evidence.requests
    ]

    assert any(str(done) in found for found in check_honesty(_with(evidence, requests=requests)))


async def test_a_request_that_was_never_dispatched_is_noticed(judged: Verdict) -> None:
    evidence = judged.evidence
    call = evidence.requests[0].call
    assert call is not None
    events = _without(evidence.events, ToolCallDispatched, lambda data: data.call == UUID(call))

    assert any("request 1 " in found for found in check_authority(_with(evidence, events=events)))


async def test_a_request_with_another_body_is_noticed(judged: Verdict) -> None:
    evidence = judged.evidence
    first, *rest = evidence.requests

    forged = [dataclasses.replace(first, body_sha256="0" * 64), *rest]

    assert any("its body" in found for found in check_authority(_with(evidence, requests=forged)))


async def test_a_task_that_the_log_forgot_is_noticed(judged: Verdict) -> None:
    evidence = judged.evidence
    lost = next(iter(evidence.accepted))
    events = [said for said in evidence.events if said.row.task != lost]

    assert any("0 times" in found for found in check_acceptance(_with(evidence, events=events)))


async def test_a_task_that_stands_still_is_noticed(judged: Verdict) -> None:
    evidence = judged.evidence
    task = next(iter(evidence.accepted))
    events = [
        said
        for said in evidence.events
        if said.row.task != task or isinstance(said.data, TaskSubmitted)
    ]

    found = check_acceptance(_with(evidence, events=events))

    assert any("neither ended nor with a human" in one for one in found)


async def test_an_altered_and_a_missing_event_are_noticed(judged: Verdict) -> None:
    events = list(judged.evidence.events)
    middle = len(events) // 2
    altered = Said(events[middle].row._replace(state=events[middle].row.state + b" "))
    with_alteration = [*events[:middle], altered, *events[middle + 1 :]]
    with_gap = [*events[:middle], *events[middle + 1 :]]

    assert check_history(_with(judged.evidence, events=with_alteration), judged.heads)
    assert check_history(_with(judged.evidence, events=with_gap), judged.heads)


def _with(evidence: Evidence, **changed: object) -> Evidence:
    """The same run, had this been left behind; everything derived is derived anew."""
    parts = {"events": evidence.events, "requests": evidence.requests, **changed}
    fates = Fates()
    for said in parts["events"]:
        fates.hear(said)
    return Evidence(
        accepted=evidence.accepted,
        events=parts["events"],
        fates=fates,
        requests=parts["requests"],
        fleet=evidence.fleet,
        blobs=evidence.blobs,
    )


def _without(
    events: Sequence[Said],
    kind: type[ToolCallDispatched],
    chosen: Callable[[ToolCallDispatched], bool],
) -> list[Said]:
    return [said for said in events if not (isinstance(said.data, kind) and chosen(said.data))]


def _restarts(done: ToolCallCompleted) -> bool:
    return done.facts.tool == "restart_server"
