"""`smartops backup` and `smartops restore`: what a person types, and what they are told."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from smartops.devstack.backup import back_up, mark
from smartops.devstack.errors import DevstackError
from smartops.devstack.restore import Restored
from smartops.devstack.restore import restore as bring_back

__all__ = ["backup", "restore"]

_FAILED = 1

_SHOWN = 20
"""Calls listed on a terminal; the file has all."""


def backup(home: Path, *, point: str | None, as_json: bool = False) -> int:
    """Copy the running installation's database, or name this moment as a point to come back to."""
    try:
        if point is None:
            base = asyncio.run(back_up(home))
            _tell(
                asdict(base) if as_json else None,
                f"{base.name}: the log up to position {base.position}, copied and checked.",
                "Every later moment can be restored from now on: the log is archived there.",
            )
        else:
            made = asyncio.run(mark(home, point))
            _tell(
                asdict(made) if as_json else None,
                f"{made.name} is position {made.position}: `smartops restore --to {made.name}`.",
            )
    except DevstackError as error:
        return _refused("backup", error)
    return 0


def restore(home: Path, *, to: str, by: str, as_json: bool = False) -> int:
    """Bring the stopped installation back to a point, and say what that means."""
    try:
        told = asyncio.run(bring_back(home, to, by))
    except DevstackError as error:
        return _refused("restore", error)
    _tell(asdict(told) if as_json else None, *_lines(told))
    return 0


def _lines(told: Restored) -> list[str]:
    lost = told.discarded
    lines = [
        f"The log ends at position {told.position} again; its chain holds.",
        f"Anchored heads that hold: {told.anchors['anchors_kept']}.",
        f"The database and the bus as they were are in {told.kept_in}, with this report.",
        "The bus is empty: services fill the event stream again from the log.",
        "Commands that waited in it are gone; their senders see no answer and may send them again.",
    ]
    if told.erased_again:
        count = told.erased_again
        lines.append(f"Personal data that was erased since is gone again: {count} values.")
    if lost.last == told.position:
        return [*lines, "Nothing was given up."]
    lines += [
        "",
        f"Given up: positions {told.position + 1} to {lost.last}; other events will stand there.",
        f"{len(lost.tasks)} tasks were submitted then and do not exist any more.",
    ]
    if lost.calls:
        lines.append(
            f"{len(lost.calls)} writes went out then: the outside may be ahead of the log. Look at:"
        )
        lines += [
            f"  {call.tool} on {call.target} ({call.idempotence}; {call.outcome})"
            for call in lost.calls[:_SHOWN]
        ]
        if len(lost.calls) > _SHOWN:
            lines.append(f"  and {len(lost.calls) - _SHOWN} more: see restored.json")
    if lost.settled_calls:
        lines.append(
            f"{lost.settled_calls} outcomes of earlier calls are gone: they are looked up again."
        )
    return lines


def _refused(command: str, error: DevstackError) -> int:
    print(f"smartops {command}: {error}", file=sys.stderr)  # noqa: T201 - this is a command
    return _FAILED


def _tell(document: object | None, *lines: str) -> None:
    text = "\n".join(lines) if document is None else json.dumps(document, indent=2, default=str)
    print(text)  # noqa: T201 - the same
