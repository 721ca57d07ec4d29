"""A condition at the terminal: typed, told of, and shown to whoever decides next."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from smartops.contracts import events as e
from smartops.contracts.bounds import Limits
from smartops.contracts.measured import Measured
from smartops.sdk.cli.commands.approvals import _limits
from smartops.sdk.cli.narration import narrate
from smartops.sdk.cli.session import Usage
from smartops.sdk.cli.voices import told_limits, told_voices
from support.sdk_story import RUN, Story

LOW = "error_rate < 1%"


def lines(story: Story) -> list[str]:
    return [f"{line.mark.name} {line.word}: {line.text}" for line in narrate(story.events)]


def test_a_condition_is_read_as_it_is_typed() -> None:
    assert _limits(20, None, None, LOW) == Limits(max_targets=20, condition=LOW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("error_rate", "--while: one of < <= > >= is wanted at character 11, not the end"),
        ("", "--while: it says nothing: write one like 'error_rate < 1%'"),
    ],
)
def test_what_is_no_condition_is_said_before_anything_is_sent(text: str, told: str) -> None:
    with pytest.raises(Usage) as wrong:
        _limits(None, None, None, text)
    assert told in str(wrong.value)


def test_all_limits_of_a_voice_are_told() -> None:
    ends = datetime(2026, 3, 1, 14, 0, tzinfo=UTC)
    limits = Limits(max_targets=20, max_calls=40, condition=LOW, expires_at=ends)
    assert told_limits(limits).startswith(
        ", 20 targets at most, 40 calls at most, while error_rate < 1%, until 2026-03-01 "
    )
    assert told_limits(Limits()) == ""


def test_the_story_tells_the_condition_with_the_approval_and_when_it_breaks() -> None:
    story = Story().up_to_the_question().approved("fine")
    recorded = next(
        one.data for one in story.events if isinstance(one.data, e.TaskApprovalRecorded)
    )
    limited = recorded.model_copy(update={"limits": Limits(condition=LOW)})
    with_it = Story().up_to_the_question()
    with_it.say(limited)
    with_it.granted(limited.by)
    assert "GOOD approved: by approver, while error_rate < 1%: fine" in lines(with_it)
    with_it.started()
    for outcome in ("holds", "broken", "unknown"):
        with_it.say(
            e.TaskConditionChecked(
                task=with_it.task,
                run=RUN,
                condition=LOW,
                phase=0,
                batch=0,
                outcome=outcome,
                calls=(uuid4(),),
                values={"error_rate": Measured(low=0.3, high=0.3, complete=True)},
                rounds=1,
                detail="error_rate 0.3",
            )
        )
    assert lines(with_it)[-2:] == [
        "BAD broken: granted while error_rate < 1%, and it does not hold: error_rate 0.3",
        "WARN unknown: granted while error_rate < 1%, and nobody can tell: error_rate 0.3",
    ]


def test_whoever_decides_next_sees_what_others_demand() -> None:
    voice = {
        "name": "ada",
        "for_name": None,
        "roles": ["approver"],
        "decision": "approve",
        "note": "",
        "at": "2026-03-01T12:00:00+00:00",
    }
    now = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
    limited = {**voice, "limits": {"max_targets": 5, "condition": LOW}}
    assert told_voices([voice, limited], now) == [
        "yes by ada (approver), 1 min ago",
        "yes by ada (approver), 1 min ago, 5 targets at most, while error_rate < 1%",
    ]
