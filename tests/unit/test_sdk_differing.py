"""What differs from the plan before, as the card says it; and edits as people write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import JsonValue, ValidationError
from rich.console import Console
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.events import (
    Approval,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskPlanEditAccepted,
    TaskPlanRefused,
    TaskPlanSuperseded,
)
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Check
from smartops.sdk.cli.card_view import render_card
from smartops.sdk.cli.commands.editing import _edit
from smartops.sdk.cli.diff_view import differing
from smartops.sdk.cli.session import Usage
from smartops.sdk.course import Course, follow
from smartops.sdk.plan_card import PlanCard
from smartops.sdk.plan_diff import Difference, differences
from support.plans import phase, plan, step, tool
from support.samples import sample

PATCH = tool()


def patched(target: str, where: str = "canary", **arguments: JsonValue) -> Any:
    """One server."""
    told: dict[str, JsonValue] = {"asset": target, "version": "1.0", "percent": 10}
    return step(target, PATCH, phase=where, arguments={**told, **arguments})


def two(**fields: Any) -> Plan:
    """A canary and a wave."""
    canary = phase(patched("web-1"), name="canary")
    wave = phase(patched("web-2", "wave"), patched("web-3", "wave"), name="wave", parallelism=2)
    return plan(canary, wave, **fields)


def test_the_same_plan_differs_in_nothing() -> None:
    assert differences(two(), two(number=2)) == ()
    assert differing(two(), two(), most=5) == [
        "does the same; what it rests on was looked at again"
    ]


def test_other_values_are_told_once_with_their_targets() -> None:
    after = plan(
        phase(patched("web-1", version="2.0"), name="canary"),
        phase(
            patched("web-2", "wave", version="2.0"),
            patched("web-3", "wave"),
            name="wave",
            parallelism=2,
        ),
    )
    assert differences(two(), after) == (
        Difference("patch version", "1.0", "2.0", ("web-1", "web-2")),
    )
    assert differing(two(), after, most=5) == ["patch version: 1.0 -> 2.0 on web-1, web-2"]


def test_targets_that_come_and_go_are_told() -> None:
    after = plan(phase(patched("web-1"), name="canary"), phase(patched("web-9", "x"), name="x"))
    lines = differing(two(), after, most=5)
    assert lines == [
        "no longer patch on web-2, web-3",
        "now also patch on web-9",
        "phases: canary, wave -> canary, x",
    ]


def test_a_target_that_changes_places_is_told() -> None:
    canary = phase(patched("web-2", "canary"), name="canary")
    wave = phase(patched("web-1", "wave"), patched("web-3", "wave"), name="wave", parallelism=2)
    assert differing(two(), plan(canary, wave), most=5) == [
        "phase: wave -> canary on web-2",
        "phase: canary -> wave on web-1",
    ]


@pytest.mark.parametrize("undo_tool", ["other_tool", None])
def test_another_way_back_or_none_is_told(undo_tool: str | None) -> None:
    old = two()
    changed = step(
        "web-1",
        PATCH if undo_tool is None else tool(undo=undo_tool),
        phase="canary",
        arguments=dict(old.steps[0].arguments),
        undo=undo_tool is not None,
    )
    wave = phase(patched("web-2", "wave"), patched("web-3", "wave"), name="wave", parallelism=2)
    after = plan(phase(changed, name="canary"), wave)
    [one] = differences(old, after)
    assert (one.what, one.where) == ("patch undo", ("web-1",))
    assert differing(old, after, most=5)[0].startswith("patch undo: ")


def test_checks_that_are_others_are_told_though_there_are_as_many() -> None:
    def watched(threshold: str) -> Plan:
        header = two().header
        check = Check(type="error_rate", threshold=threshold)
        first = header.phases[0].model_copy(update={"checks": (check,)})
        phases = (first, *header.phases[1:])
        return two().model_copy(update={"header": header.model_copy(update={"phases": phases})})

    lines = differing(watched("< 1%"), watched("< 50%"), most=5)
    assert lines == ["checks: 1 -> 1 others on canary"]


def test_another_pace_and_other_terms_are_told() -> None:
    after = two(max_run_ms=5000)
    first, second = after.header.phases
    header = after.header.model_copy(
        update={"phases": (first, second.model_copy(update={"batch": 1, "checks": ()}))}
    )
    lines = differing(two(), after.model_copy(update={"header": header}), most=5)
    assert lines == ["batch: none -> 1 on wave", "max_run_ms: 14400000 -> 5000"]


def test_true_is_not_one() -> None:
    after = plan(phase(patched("web-1", percent=True), name="canary"))
    before = plan(phase(patched("web-1", percent=1), name="canary"))
    assert [one.what for one in differences(before, after)] == ["patch percent"]


def test_the_card_says_what_differs() -> None:
    after = two(number=2, editor=None)
    assessment = canonical({"risk_level": "high"})
    card = PlanCard(after, after.hash(), {"risk_level": "high"}, digest(assessment))
    gone = plan(phase(patched("web-1", version="0.9"), name="canary"))

    def shown(one: PlanCard) -> str:
        console = Console(width=110, color_system=None)
        with console.capture() as capture:
            console.print(render_card(one, console))
        return capture.get()

    assert "Differs" not in shown(card), "there was none before"
    text = shown(replace(card, before=gone))
    assert "from plan 1:" in text
    assert "patch version: 0.9 -> 1.0 on web-1" in text
    assert "now also patch on web-2, web-3" in text


# ---- edits as people write them ----------------------------------------------------------------


def written(
    *values: str,
    batch: tuple[str, ...] = (),
    parallelism: tuple[str, ...] = (),
    wait: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The edit that a command line asks for, without what it leaves open."""
    edit = _edit(two(), values, batch, parallelism, wait, exclude)
    return edit.model_dump(exclude_none=True, exclude_defaults=True)


def test_the_longest_name_of_the_plan_says_which_steps() -> None:
    assert written("patch.version=2.0")["changes"][0] == {
        "tool": "patch",
        "argument": "version",
        "value": "2.0",
    }
    assert written("wave.version=2.0")["changes"][0]["phase"] == "wave"
    one = written("wave/patch/web-2.version=2.0")["changes"][0]
    assert (one["step"], one["argument"]) == ("wave/patch/web-2", "version")


def test_text_stays_text_and_the_rest_is_json() -> None:
    assert written("patch.version=7")["changes"][0]["value"] == "7"
    assert written("patch.percent=7")["changes"][0]["value"] == 7
    assert written("patch.new=[1, 2]")["changes"][0]["value"] == [1, 2]
    assert written("patch.new=a=b")["changes"][0]["value"] == "a=b"


def test_pace_and_targets() -> None:
    told = written(
        batch=("wave=1", "2"), parallelism=("wave=3",), wait=("30s",), exclude=("web-2",)
    )
    assert told["phases"] == (
        {"phase": "wave", "batch": 1},
        {"batch": 2},
        {"phase": "wave", "parallelism": 3},
        {"wait_ms": 30000},
    )
    assert told["exclude"] == ("web-2",)


@pytest.mark.parametrize(
    "told",
    [
        {"values": ("patch.version",)},
        {"values": ("nothing.version=1",)},
        {"batch": ("nowhere=1",)},
        {"batch": ("wave=many",)},
        {"batch": ("wave=0",)},
        {"wait": ("wave=soon",)},
        {"exclude": ("no such name!",)},
    ],
)
def test_what_cannot_be_meant_is_told_at_once(told: dict[str, tuple[str, ...]]) -> None:
    values = told.pop("values", ())
    # What the contract will not have is told likewise, by the command line itself.
    with pytest.raises((Usage, ValidationError)):
        written(*values, **told)


# ---- how far a task has come -------------------------------------------------------------------


def test_a_task_whose_plan_gives_way_goes_on() -> None:
    waiting = follow(Course(), sample(TaskApprovalRequired))
    assert waiting.waiting
    by = sample(Approval)
    of = {"number": 1, "plan_hash": digest(b"p")}
    rejected = TaskApprovalRejected.model_validate({**of, "by": by, "then": "replan"})
    for event in (
        sample(TaskPlanEditAccepted),
        TaskPlanSuperseded.model_validate({**of, "because": "stale", "then": "replan"}),
        rejected,
    ):
        assert follow(waiting, event) == Course(waiting=False, outcome=None)
    ended = rejected.model_copy(update={"then": "archive"})
    assert follow(waiting, ended).outcome == "rejected"


def test_a_plan_that_nobody_asked_for_ends_nothing() -> None:
    refused = sample(TaskPlanRefused)
    assert follow(Course(), refused).outcome == "rejected"
    problem = refused.problems[0].model_copy(update={"rule": "gate.unasked"})
    unasked = refused.model_copy(update={"problems": (problem,)})
    assert follow(Course(waiting=True), unasked) == Course(waiting=True)
