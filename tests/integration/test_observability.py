"""What a running house tells of itself: metrics, health pages, and logs that keep secrets."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families
from smartops.contracts.catalogue import AUDIT, SERVICES
from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import ToolCallDenied
from smartops.contracts.wire import Environment
from smartops.devstack.stack import Stack
from support.observing import get, observed
from support.stacks import House, comes_true, house_at

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
CANARY = "CANARY-7f3e-payload"


@pytest.fixture(scope="module")
async def lived(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house in which tasks were completed, rolled back, run by themselves, denied and refused."""
    home = tmp_path_factory.mktemp("observed")
    async with house_at(home, **observed(home)) as house:
        good, ill = await house.take(2)
        fault = {"mode": "unhealthy_after_change", "server": ill}
        await house.stack.ask_fleet("POST", "/admin/faults", fault)
        tasks = [await house.drift(good), await house.drift(ill), await canary(house, "pad")]
        for task in tasks[:2]:
            await house.approve(task)
        ends = [await house.outcome(task) for task in tasks]
        assert ends == ["completed", "rolled_back", "completed"]
        for task, end in zip(tasks, ends, strict=True):
            await house.shows(task, end or "")
        denied = await canary(house, "no_such_argument")
        await house.until(denied, ToolCallDenied)
        await house.say("intent.submit", "broken", json.dumps({"intnt": CANARY}).encode())
        yield house


async def canary(house: House, name: str) -> UUID:
    """A task with the canary wherever people may write something."""
    step = WantedStep(tool="noop_write", target="stage-canary", arguments={name: CANARY})
    intent = IntentSubmit(
        intent=f"Do the usual in staging {CANARY}",
        environment=Environment.STAGING,
        context=IntentContext(steps=(step,)),
        tags=(CANARY.lower(),),
    )
    return (await house.operator.submit(intent)).task


Shape = dict[str, tuple[str, frozenset[str]]]


async def scraped(stack: Stack, service: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The samples of a service by name."""
    page = await get(stack, service, "/metrics")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


async def shapes(stack: Stack, service: str) -> tuple[Shape, set[str]]:
    """Names, types and labels as a service shows them; and the names without a sample yet."""
    page = await get(stack, service, "/metrics")
    found: Shape = {}
    empty: set[str] = set()
    for family in text_string_to_metric_families(page.text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if name.startswith("orchestrator_"):
            found[name] = (family.type, frozenset(labels))
            if not family.samples:
                empty.add(name)
    return found, empty


def documented() -> dict[str, tuple[str, frozenset[str], str]]:
    """The page's rows: type, labels, and which services show it."""
    rows = re.findall(
        r"^\| `(orchestrator_\w+)` \| (\w+) \|([\w, ]*)\| ([\w, ]+) \|",
        PAGE.read_text("utf-8"),
        re.MULTILINE,
    )
    return {
        name: (kind, frozenset(re.findall(r"\w+", labels)), where)
        for name, kind, labels, where in rows
    }


async def test_the_page_lists_exactly_what_a_running_house_shows(lived: House) -> None:
    shown: Shape = {}
    empty: set[str] = set()
    for service in SERVICES:
        found, unused = await shapes(lived.stack, service)
        empty |= unused
        for name, (kind, labels) in found.items():
            shown[name] = (kind, labels | shown.get(name, (kind, frozenset()))[1])
    rows = documented()

    assert set(shown) == set(rows)
    assert {name: kind for name, (kind, _) in shown.items()} == {n: r[0] for n, r in rows.items()}
    # Nothing was parked, swept or put off in this house, so these have no sample to see labels on.
    silent = {
        "orchestrator_calls_put_off_total",
        "orchestrator_parked_total",
        "orchestrator_swept_total",
    }
    assert {n: labels for n, (_, labels) in shown.items() if n not in silent} == {
        n: row[1] for n, row in rows.items() if n not in silent
    }


async def test_the_page_says_which_services_show_it(lived: House) -> None:
    rows = documented()
    for service in SERVICES:
        seen = {
            re.sub(r"_(bucket|sum|count)$", "", name)
            for name in await scraped(lived.stack, service)
        }
        for name, (_, _, where) in rows.items():
            said = (
                service != AUDIT if where == "all but audit" else where == "all" or service in where
            )
            if name in seen:
                assert said, f"{service} shows {name}, the page says: {where}"


async def test_what_happened_is_counted_once(lived: House) -> None:
    stack = lived.stack
    planner, runner = await scraped(stack, "planner"), await scraped(stack, "runner")
    gateway, audit = await scraped(stack, "tool_gateway"), await scraped(stack, AUDIT)

    def of(
        samples: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str
    ) -> float:
        return sum(value for found, value in samples[name] if labels.items() <= found.items())

    assert of(planner, "orchestrator_tasks_total", status="queued") == 4
    assert of(runner, "orchestrator_executions_total", status="completed") == 2
    assert of(runner, "orchestrator_executions_total", status="rolled_back") == 1
    assert of(runner, "orchestrator_rollbacks_total") == 1
    calls = await lived.reader.rows(
        "select tool, count(*) as n from smartops.v_tool_calls"
        " where status = 'succeeded' group by tool"
    )
    for row in calls:
        tool, n = row["tool"], row["n"]
        assert of(gateway, "orchestrator_tool_calls_total", tool=tool, result="succeeded") == n
        assert of(gateway, "orchestrator_tool_call_seconds_count", tool=tool) >= n
    assert of(audit, "orchestrator_approval_wait_seconds_count") == 2
    assert of(audit, "orchestrator_agent_latency_seconds_count") == 4
    assert of(audit, "orchestrator_execution_seconds_count") == 3
    assert of(audit, "orchestrator_projection_lag_events") == 0


async def test_durations_are_those_between_the_events(lived: House) -> None:
    audit = await scraped(lived.stack, AUDIT)
    [row] = await lived.reader.rows(
        "select sum(extract(epoch from decided_at - requested_at))::float8 as waited"
        " from smartops.v_approvals where not automatic"
    )
    [(_, total)] = audit["orchestrator_approval_wait_seconds_sum"]
    assert total == pytest.approx(row["waited"], abs=0.001)


async def test_all_services_answer_on_all_pages(lived: House) -> None:
    for service in SERVICES:
        alive = await get(lived.stack, service, "/health")
        ready = await get(lived.stack, service, "/ready")
        assert (alive.status, alive.json["service"]) == (200, service)
        assert (ready.status, ready.json["ready"], ready.json["reasons"]) == (200, True, [])
        assert (await get(lived.stack, service, "/metrics")).status == 200
        parts = {"log", "anchors"} if service == AUDIT else {"database", "consumers"}
        assert parts | {"bus"} <= set(ready.json["parts"])


async def test_no_log_line_of_any_service_tells_what_people_wrote(lived: House) -> None:
    stored = [event.raw for event in await lived.reader.newest_events(500)]
    assert any(CANARY.encode() in raw for raw in stored), "the canary never reached the log"
    for service in SERVICES:
        text = (lived.stack.home / "logs" / f"{service}.log").read_text("utf-8")
        assert text, f"{service} logs nothing"
        guilty = [line for line in text.splitlines() if CANARY.lower() in line.lower()]
        assert guilty == []


async def test_no_span_tells_it_either(lived: House) -> None:
    spans = lived.stack.home / "spans.jsonl"

    async def written() -> bool:
        return await asyncio.to_thread(lambda: spans.exists() and spans.stat().st_size > 0)

    await comes_true(written)
    assert CANARY.lower() not in spans.read_text("utf-8").lower()
