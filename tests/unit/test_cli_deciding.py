"""How decisions are told afterwards: by whom, in which way, and about what."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from smartops.sdk.cli.commands.policy_explain import _about
from smartops.sdk.cli.commands.policy_replay import _tell_replay
from smartops.sdk.cli.commands.tasks import _decision
from smartops.sdk.cli.session import Options, Session
from smartops.sdk.errors import NotFound
from smartops.sdk.replaying import Replayed

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
TASK, CALL = UUID(int=0x3F2A << 112), UUID(int=0x4A4A << 112)


def decided(**fields: Any) -> dict[str, Any]:
    return {
        "note": "",
        "status": "approved",
        "automatic": False,
        "decided_by_names": ["ada"],
        "break_glass": False,
        "standing": None,
        "expires_at": NOW,
        **fields,
    }


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (decided(note="change 4711"), "approved by ada: change 4711"),
        (decided(break_glass=True), "approved by ada, alone, by breaking the glass"),
        (decided(standing=TASK), "approved by ada, beforehand, by a standing word"),
        (decided(automatic=True, decided_by_names=[]), "by policy itself"),
        (
            decided(status="revoked", break_glass=True, note="too far"),
            "approved by ada, alone, by breaking the glass, then revoked: too far",
        ),
    ],
)
def test_a_decision_tells_in_which_way_it_came_about(row: dict[str, Any], told: str) -> None:
    assert _decision(row, NOW) == told


class Reader:
    """A reader that knows one task and one call; whole ids it takes as they are."""

    async def find_task(self, text: str) -> UUID:
        if text in ("3f2a", str(TASK)):
            return TASK
        if len(text) == 36:
            return UUID(text)
        raise NotFound("no task")

    async def task(self, task: UUID) -> dict[str, Any]:
        if task != TASK:
            raise NotFound("no task")
        return {}

    async def find_call(self, text: str) -> UUID:
        if text == "4a4a" or len(text) == 36:
            return CALL if text == "4a4a" else UUID(text)
        raise NotFound("no call")

    async def call(self, call: UUID) -> dict[str, Any]:
        if call != CALL:
            raise NotFound("no call")
        return {"task": TASK, "call": CALL}

    async def decisions_about(self, **about: Any) -> list[dict[str, Any]]:
        return [about]


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("3f2a", {"task": TASK}),
        (str(TASK), {"task": TASK}),
        ("4a4a", {"task": TASK, "call": CALL}),
        (str(CALL), {"task": TASK, "call": CALL}),
    ],
)
async def test_a_task_or_a_call_is_explained(text: str, about: dict[str, Any]) -> None:
    reader: Any = Reader()
    assert await _about(reader, text) == [about]


@pytest.mark.parametrize("text", ["ffff", "ffffffff-0000-4000-8000-000000000000"])
async def test_what_nobody_knows_is_not_called_unasked(text: str) -> None:
    reader: Any = Reader()
    with pytest.raises(NotFound, match="no task and no call"):
        await _about(reader, text)


def test_a_replay_of_nothing_says_that_it_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(Options(Path("x"), "operator", json=False, prefix=None))
    _tell_replay(session, Replayed(), "sha256:1")
    assert "Nothing was decided then" in capsys.readouterr().err
    session = Session(Options(Path("x"), "operator", json=False, prefix=None))
    _tell_replay(session, Replayed(decisions=1, recomputed=1), "sha256:1")
    assert capsys.readouterr().err == ""
