"""Rehearsals: what a tool wants to have succeeded before a call goes out, and its evidence.

A tool that declares `simulate` is rehearsed by that read on the same target with the same
arguments; only the reason for the call is its own. The planner asks for the rehearsal before it
writes the plan, and attaches the answer as evidence. The evidence's kind names what was rehearsed
by digest: change the tool, the target or one argument, and it is no evidence of that call any more.

The kind is the planner's word. Before a write goes out the gateway looks for the rehearsal among
the calls in the log, by itself: see its `promises.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue
from smartops.contracts.canonical import digest_of
from smartops.contracts.events import EvidenceRef
from smartops.contracts.plan import Step
from smartops.contracts.wire import JsonObject

__all__ = ["REASON_CODE", "is_rehearsal", "rehearsal_of", "rehearsed", "same_but_reason"]

REASON_CODE = "reason_code"
"""The argument that says why a call is made; a rehearsal has none, or one of its own."""

_KIND = "rehearsal:"


def same_but_reason(arguments: Mapping[str, JsonValue]) -> JsonObject:
    """The arguments that a call and its rehearsal have in common."""
    return {name: value for name, value in arguments.items() if name != REASON_CODE}


def rehearsal_of(step: Step) -> str:
    """The kind of evidence that shows the rehearsal of a step: `rehearsal:<tool>/<digest>`.

    The digest, 64 hexadecimal digits, is that of tool, version, target and arguments. So steps that
    ask for the same share one rehearsal.
    """
    told = digest_of(
        {
            "tool": step.tool,
            "version": step.version,
            "target": step.target,
            "arguments": same_but_reason(step.arguments),
        }
    )
    return f"{_KIND}{step.tool}/{told.removeprefix('sha256:')}"


def is_rehearsal(kind: str) -> bool:
    """Whether evidence of this kind shows a rehearsal."""
    return kind.startswith(_KIND)


def rehearsed(step: Step, evidence: Iterable[EvidenceRef]) -> bool:
    """Whether there is evidence that this very call was rehearsed, and would have worked.

    Of a step whose tool declares no rehearsal it says False as well: nobody rehearsed it.

    Args:
        step: of a plan.
        evidence: attached to its task. A rehearsal that failed leaves none.
    """
    kind = rehearsal_of(step)
    return any(found.kind == kind for found in evidence)
