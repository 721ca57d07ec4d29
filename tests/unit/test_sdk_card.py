"""The plan card is made of the hashed bytes, or not at all."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console
from smartops.contracts.canonical import canonical, digest
from smartops.sdk.cli.card_view import render_card
from smartops.sdk.errors import Unverified
from smartops.sdk.plan_card import PlanCard, card
from support.sdk_story import TASK, Story, assessment_of, make_plan

ESCAPE = "\x1b[2J\x1b[1;32mLOW RISK\u202e"


def made(story: Story) -> PlanCard:
    return card(
        story.document,
        story.assessment,
        plan_hash=story.plan_hash,
        assessment_hash=story.assessment_hash,
        task=TASK,
    )


def printed(shown: PlanCard, *, full: bool = False, terminal: bool = False) -> str:
    console = Console(width=100, force_terminal=terminal, color_system=None)
    with console.capture() as capture:
        console.print(render_card(shown, console, full=full))
    return capture.get()


def test_a_card_of_the_hashed_bytes_is_read() -> None:
    assert made(Story()).plan.header.summary == "Bring 5 web servers to 2.4.1"


def test_a_changed_plan_is_not_shown() -> None:
    story = Story()
    story.document = story.document.replace(b"2.4.1", b"2.4.0")
    with pytest.raises(Unverified, match="the plan is not shown"):
        made(story)


def test_a_plan_whose_steps_were_exchanged_below_its_header_is_not_shown() -> None:
    story, other = Story(), Story(plan=make_plan(5, undoable=False))
    mixed = {**json.loads(story.document), "steps": json.loads(other.document)["steps"]}
    story.document = canonical(mixed)
    with pytest.raises(Unverified, match="not those that the header lists"):
        made(story)


def test_a_changed_assessment_is_not_shown() -> None:
    story = Story()
    story.assessment = story.assessment.replace(b'"high"', b'"low"')
    with pytest.raises(Unverified, match="its assessment hashes to"):
        made(story)


def test_an_assessment_of_another_plan_is_not_shown() -> None:
    story = Story()
    story.assessment = assessment_of(make_plan(3))
    story.assessment_hash = digest(story.assessment)
    with pytest.raises(Unverified, match="about another plan"):
        made(story)


def test_an_assessment_that_says_a_thing_twice_is_not_shown() -> None:
    story = Story()
    story.assessment = b'{"risk_level":"low","risk_level":"high"}'
    story.assessment_hash = digest(story.assessment)
    with pytest.raises(Unverified, match="stands twice"):
        made(story)


def test_another_tasks_plan_is_not_shown() -> None:
    story = Story()
    with pytest.raises(Unverified, match="it is for task"):
        card(
            story.document,
            story.assessment,
            plan_hash=story.plan_hash,
            assessment_hash=story.assessment_hash,
            task=uuid4(),
        )


def test_like_steps_are_one_action_with_several_targets() -> None:
    shown = made(Story())
    (wave,) = shown.actions_of(shown.plan.header.phases[1])
    assert wave.targets == ("web-02", "web-03", "web-04", "web-05")
    assert wave.arguments == {"version": "2.4.1"}


def test_the_card_says_what_decides() -> None:
    text = printed(made(Story()))
    for part in (
        "Bring 5 web servers to 2.4.1",
        "production",
        "operator (local)",
        "every change can be taken back",
        "5 of 5 assets (100%)",
        "production needs a person (plan.production)",
        "1 canary",
        "fleet.set_version version=2.4.1 on web-01",
        "back   if error_rate > 1%",
    ):
        assert part in text


def test_the_card_cries_out_what_cannot_be_taken_back() -> None:
    text = printed(made(Story(plan=make_plan(5, undoable=False))))
    assert "5 of 5 steps CANNOT be taken back: canary/set_version/web-01" in text


def test_whatever_policy_hashed_stands_on_the_card() -> None:
    story = Story()
    story.assessment = assessment_of(story.plan, novelty={"score": 62, "why": ["new", "odd"]})
    story.assessment_hash = digest(story.assessment)
    text = printed(made(story))
    assert "Novelty score" in text
    assert "new, odd" in text


def test_both_digests_fit_on_a_line_of_eighty_columns() -> None:
    story = Story()
    console = Console(width=80, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(render_card(made(story), console))
    assert story.plan_hash.removeprefix("sha256:") in capture.get()
    assert story.assessment_hash.removeprefix("sha256:") in capture.get()


def test_only_the_full_card_lists_all_targets() -> None:
    shown = made(Story(plan=make_plan(40)))
    assert "web-06 and 34" in printed(shown)
    assert "web-40" not in printed(shown)
    assert "web-40" in printed(shown, full=True)


def test_text_of_others_cannot_steer_the_terminal() -> None:
    text = printed(made(Story(plan=make_plan(summary=f"harmless{ESCAPE}"))))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "harmless<U+001B>[2J" in text


# ---- assessments with scores --------------------------------------------------------------------

SCORED: dict[str, Any] = {
    "schema_name": "smartops.assessment.v2",
    "requires_approval": True,
    "risk": {
        "score": 61,
        "level": "high",
        "parts": {
            "environment": {"points": 80, "weight": 20, "why": "production"},
            "scope": {"points": 100, "weight": 15, "why": "5 of 5 assets"},
            "history": {"points": 50, "weight": 15, "why": "new here"},
            "change_size": {"points": 25, "weight": 15, "why": "5 assets can change"},
            "rollback": {"points": 0, "weight": 5, "why": "all can be taken back"},
        },
        "canary_wanted": True,
        "suggested_batch_percent": 10,
    },
    "quality_score": {
        "total": 50,
        "structural": 20,
        "policy_compliance": 20,
        "test_coverage": 5,
        "operational_history": 5,
        "human_review": 0,
        "points": {"structural": ["5 of 5: every write can be taken back"]},
    },
    "blast_radius": {
        "environment": "production",
        "changed_assets": 5,
        "reachable_assets": 7,
        "total_assets": 12,
        "total_by_inventory": True,
        "percent": 59,
        "scope": "asset",
        "largest_phase": 4,
        "writes": 5,
        "irreversible_writes": 0,
        "critical_assets": ["db-1"],
        "unknown_assets": 2,
        "unbounded_tools": [],
    },
    "autonomy": {"mode": "approve_all", "level": 1, "tool_modes": {"patch": "approve_all"}},
    "limits": {
        "max_assets": 100,
        "max_critical_assets": 5,
        "risk_threshold": 30,
        "cooldown_left_ms": 90_000,
        "window_blocked": True,
    },
    "approval": {"quorum": 2, "roles": ["approver", "senior-approver"]},
    "reasons": [{"from": "gate", "rule": "gate.production", "message": "production needs one"}],
    "changes_wanted": ["begin with a canary"],
    "evidence": [
        {
            "kind": "inventory",
            "tool": "query_assets",
            "digest": "sha256:" + 64 * "0",
            "call": "3f2a9b0c-0000-5000-8000-000000000000",
            "age_ms": 3000,
        }
    ],
    "unconfirmed_evidence": 0,
    "policy": {"bundle": "sha256:" + 64 * "1", "engine": "regorus 1", "inputs": {"plan": "x"}},
}


def scored(*, full: bool = False, **changes: Any) -> str:
    story = Story()
    story.assessment = canonical({**SCORED, "plan_hash": story.plan_hash, **changes})
    story.assessment_hash = digest(story.assessment)
    return " ".join(printed(made(story), full=full).split())


def test_the_card_tells_scores_with_what_weighs_most() -> None:
    text = scored()
    for part in (
        "Risk 61 of 100, high; at most 10 % at once are suggested",
        "16.0 environment: production 15.0 scope: 5 of 5 assets 7.5 history: new here",
        "the rest: change size, rollback",
        "Quality 50 of 100; of 20 each: structural 20, policy compliance 20, test coverage 5,",
        "operational history 5, human review 0",
        "Blast radius 5 of 12 assets (59%), in production, calls can reach 7, at most 4 in one",
        "phase, 5 writes critical: db-1 what depends on 2 assets is not known",
        "production needs one (gate.production)",
        "Would be better begin with a canary",
        "Decided by 2 different people, with the role approver, senior-approver",
        "L1, approve_all: a person decides on every change",
        "its last run here is too recent by 1 min 30 s",
        "a window is open in which nothing goes by itself",
        "query_assets, 3 s before: smartops call show 3f2a9b0c",
    ):
        assert part in text, part
    assert "NOT UNDERSTOOD" not in text


def test_the_full_card_tells_every_part_and_point() -> None:
    text = scored(full=True)
    assert "0.0 rollback: all can be taken back, 0 of 100" in text
    assert "structural: 5 of 5: every write can be taken back" in text
    assert "sha256:" + 64 * "1" in text


def test_a_finding_that_no_call_gave_is_cried_out() -> None:
    assert "1 finding of the plan's that NO CALL in the log gave" in scored(unconfirmed_evidence=1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"novelty": {"score": 62}}, 'novelty = {"score":62}'),
        ({"risk": {**SCORED["risk"], "mood": "fine"}}, 'risk.mood = "fine"'),
        ({"risk": "low"}, 'risk = "low"'),
        ({"risk": {"score": True, "level": "low"}}, "risk.score = true"),
        ({"limits": {**SCORED["limits"], "max_assets": "all"}}, 'limits.max_assets = "all"'),
        ({"approval": {"quorum": 1}}, "approval.quorum = 1"),
        ({"blast_radius": {}, "evidence": "plenty"}, 'evidence = "plenty"'),
    ],
)
def test_what_the_card_does_not_understand_it_says_so(changes: dict[str, Any], told: str) -> None:
    text = scored(**changes)
    assert "NOT UNDERSTOOD" in text
    assert told in text


@pytest.mark.parametrize(
    "changes",
    [
        {"reasons": ["because"]},
        {"reasons": [{**SCORED["reasons"][0], "unless": "it rains"}]},
        {"evidence": [{"tool": "query_assets"}]},
        {"risk": {**SCORED["risk"], "parts": {"mood": {"points": 1}}}},
        {"autonomy": {"mode": "free_for_all", "level": 4, "tool_modes": {}}},
    ],
)
def test_misshapen_pieces_are_not_passed_over(changes: dict[str, Any]) -> None:
    assert "not understood" in scored(**changes)


def test_a_scored_assessment_cannot_steer_the_terminal() -> None:
    wanted = [f"harmless{ESCAPE}"]
    assert "\x1b" not in scored(changes_wanted=wanted)
    assert "\x1b" not in scored(novelty=ESCAPE, full=True)
