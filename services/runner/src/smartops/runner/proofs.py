"""Proofs that a change was taken back: its target is read again, and compared."""

from __future__ import annotations

from pydantic import JsonValue
from smartops.contracts.canonical import digest_of
from smartops.contracts.errors import Malformed
from smartops.contracts.events import BeforeState
from smartops.contracts.folds import CallView
from smartops.contracts.plan import Step
from smartops.contracts.tools import ToolDescriptor
from smartops.runner.health import Sampled
from smartops.runner.state import Run

__all__ = ["before_state", "judge_proof"]


def before_state(step: Step, reader: ToolDescriptor | None, state: JsonValue) -> BeforeState | None:
    """What taking a step back will be held to; None when nothing can tell.

    Only what the undo puts back is compared: the rest of the state is the world's.

    Args:
        step: that changes something.
        reader: the tool that told the state of its target before.
        state: what it told.
    """
    fields = _restored(step)
    if reader is None or not fields or (found := _digest(fields, state)) is None:
        return None
    return BeforeState(tool=reader.name, version=reader.version, fields=fields, digest=found)


def judge_proof(run: Run, call: CallView) -> Sampled:
    """Whether a target that was read again is as it was before its step."""
    back = run.rollback
    before = None
    if back is not None and back.done < len(back.undo):
        before = run.before.get(back.undo[back.done])
    if before is None:
        return Sampled(None, "nothing is to be compared with it")
    named = ", ".join(before.fields)
    found = _digest(before.fields, call.output)
    if found is None:
        return Sampled(None, f"the answer does not tell {named}")
    same = found == before.digest
    return Sampled(same, f"{named} {'as' if same else 'not as'} before")


def _restored(step: Step) -> tuple[str, ...]:
    """The fields of the before-state that the undo of a step puts back."""
    if step.undo is None:
        return ()
    values = step.undo.arguments.values()
    places = (v["$before"] for v in values if isinstance(v, dict) and set(v) == {"$before"})
    return tuple(sorted({str(place) for place in places}))


def _digest(fields: tuple[str, ...], state: JsonValue) -> str | None:
    if not isinstance(state, dict) or any(name not in state for name in fields):
        return None
    try:
        return digest_of({name: state[name] for name in fields})
    except Malformed:
        return None
