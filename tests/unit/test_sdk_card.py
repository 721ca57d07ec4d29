"""The plan card is made of the hashed bytes, or not at all."""

from __future__ import annotations

import json
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
