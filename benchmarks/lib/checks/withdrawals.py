"""Whose word was taken back has no say any more: judged by the order of the log alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from smartops.contracts.events import (
    ActorMapped,
    TaskApprovalGranted,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskStarted,
    ToolCallDispatched,
)
from smartops.contracts.wire import Purpose

from benchmarks.lib.log_tail import Said

__all__ = ["check_withdrawals"]


@dataclass(slots=True)
class _Word:
    """What stands against a task's calls, at one place of the log."""

    expires_at: datetime | None = None
    revoked: int | None = None
    cancelled: int | None = None
    halted: int | None = None


def check_withdrawals(events: Iterable[Said]) -> list[str]:
    """No new call behind a revocation, a cancellation or an expiry; none at all behind a halt.

    And no grant by the voice of an actor who, where it stands in the log, was disabled. A repeat
    of a call that was under way is owed after a revocation, as undo is; a halt stops both.
    """
    found = []
    words: dict[UUID, _Word] = {}
    disabled: dict[UUID, bool] = {}
    for said in events:
        task = said.row.task
        word = words.setdefault(task, _Word()) if task is not None else _Word()
        match said.data:
            case ActorMapped():
                disabled[said.data.actor] = said.data.disabled
            case TaskApprovalGranted():
                word.expires_at, word.revoked = said.data.expires_at, None
                found += [
                    f"task {task} was granted by {voice.actor_name}, who was disabled before"
                    for voice in said.data.approvals
                    if disabled.get(voice.actor, True)
                ]
            case TaskGrantRevoked():
                word.revoked = said.row.position
            case TaskCancelRequested():
                word.cancelled = said.row.position
            case TaskHalted():
                word.halted = said.row.position
            case TaskStarted():
                found += [f"task {task} was started after {why}" for why in _against(word, said)]
            case ToolCallDispatched() if said.data.facts.run is not None:
                is_new = said.data.facts.purpose is Purpose.DO and said.data.send == 1
                found += [
                    f"call {said.data.call} of task {task} was dispatched after {why}"
                    for why in _against(word, said)
                    if is_new or why.startswith("the halt")
                ]
            case _:
                pass
    return found


def _against(word: _Word, said: Said) -> list[str]:
    at = said.row.position
    found = [
        f"{what} at {position}, at {at}"
        for what, position in (
            ("the revocation", word.revoked),
            ("the cancellation", word.cancelled),
            ("the halt", word.halted),
        )
        if position is not None
    ]
    if word.expires_at is not None and said.row.recorded_at > word.expires_at:
        found.append(f"the grant's end, {word.expires_at.isoformat()}")
    return found
