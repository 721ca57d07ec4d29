"""A plan that came back from its run, as people see it: on its card and in the narration."""

from __future__ import annotations

from typing import Any

from smartops.contracts.events import TaskPlanReturned
from smartops.sdk.cli.returned_view import returned_lines
from smartops.sdk.cli.sentences import tell_run
from smartops.sdk.cli.taking import Taken
from support.audit_histories import Story

SHOWN: dict[str, Any] = {
    "grant": 1,
    "run": "0b641fe9-f2ca-50a4-9111-8b1ffe1bb0a0",
    "granted_by": ["ben"],
    "steps": 3,
    "applied": 1,
    "applied_steps": ["canary/patch/web-01"],
    "withheld": [
        {
            "step": "canary/patch/web-02",
            "tool": "patch",
            "target": "web-02",
            "reasons": [{"rule": "frozen", "message": "nothing is changed today"}],
        }
    ],
}


def lines(returned: dict[str, Any], *, full: bool = False) -> tuple[str, list[str]]:
    """What stands on the card, and what was not understood."""
    document = Taken({"returned": returned})
    part = document.part("returned")
    shown = part.shown(returned_lines(part, full=full))
    told = "\n".join(f"{label}: {text.plain}" if label else text.plain for label, text in shown)
    return told, [path for path, _ in document.left()]


def test_the_card_says_what_was_denied_by_which_rule_and_what_was_done() -> None:
    told, left = lines(SHOWN)
    for part in (
        "Came back: policy denied canary/patch/web-02 (patch on web-02)",
        "nothing is changed today (frozen)",
        "Already done: 1 of 3 steps: canary/patch/web-01",
        "grant 1, by ben, holds no more",
        "rejected, it is taken back",
    ):
        assert part in told
    assert left == [], "something that was hashed is hidden"


def test_nothing_that_was_hashed_hides_by_being_new_or_misshapen() -> None:
    told, left = lines({**SHOWN, "loud": True})
    assert left == ["returned.loud"]
    told, _ = lines({**SHOWN, "withheld": [{"step": 7}]})
    assert "not understood" in told
    assert lines({"grant": 1})[1] == ["returned.grant"]


def test_many_steps_are_counted_unless_all_are_asked_for() -> None:
    many = {**SHOWN, "withheld": SHOWN["withheld"] * 7}
    assert "and 2 more" in lines(many)[0]
    assert lines(many, full=True)[0].count("policy denied") == 7


def test_a_plan_without_a_past_shows_none() -> None:
    assert lines({}) == ("", [])


def test_the_narration_says_that_it_is_back_and_how_far_it_came() -> None:
    returned = Story("acme", "t").returned()
    assert isinstance(returned, TaskPlanReturned)
    [(_, word, text)] = tell_run(returned)
    assert word == "returned"
    assert "plan 1 is back at the gate, 1 of 3 steps done: policy denied canary/2/" in text
