"""Policies with one thing changed, and which decisions must then come out otherwise.

What is expected is computed here from the stored inputs alone, in Python, by what the change means;
no policy engine has a say in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["EDITS", "Edit", "copy_of"]

PERCENT = 8
"""Of the fleet that one phase may change, instead of twenty."""
MOST = 6
"""The largest `n` that a no-op is still called with."""

_GUARD = f"""package smartops.tool_call

denials contains {{
	"rule": "proof.too_many", "path": "/arguments/n", "message": "more than {MOST}",
}} if {{
	input.purpose == "do"
	input.arguments.n > {MOST}
}}
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of the shipped bundle.

    Attributes:
        name: for people.
        apply: changes the files of a copy.
        expected: from entrypoint, input and recorded answer to the change that must be found.
    """

    name: str
    apply: Callable[[Path], None]
    expected: Callable[[str, Mapping[str, Any], bool], str | None]


def copy_of(files: Mapping[str, str], folder: Path) -> Path:
    """A bundle's files in a folder of their own, without its cases: a change may break some."""
    for path, text in files.items():
        if not path.endswith(".cases.json"):
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    return folder


def _threshold(folder: Path) -> None:
    place = folder / "data.json"
    data = json.loads(place.read_text(encoding="utf-8"))
    assert data["limits"]["phase_max_percent"] > PERCENT
    data["limits"]["phase_max_percent"] = PERCENT
    place.write_text(json.dumps(data), encoding="utf-8")


def _too_large(entrypoint: str, asked: Mapping[str, Any], allowed: bool) -> str | None:  # noqa: FBT001
    if entrypoint != "plan" or asked["environment"] != "production" or not allowed:
        return None
    for phase in asked["phases"]:
        assets = len(set(phase["assets"]))
        if phase["writes"] and assets > 1 and assets * 100 > asked["total_assets"] * PERCENT:
            return "allow_to_deny"
    return None


def _guard(folder: Path) -> None:
    (folder / "proof.rego").write_text(_GUARD, encoding="utf-8")


def _too_many(entrypoint: str, asked: Mapping[str, Any], allowed: bool) -> str | None:  # noqa: FBT001
    if entrypoint != "tool_call" or asked["purpose"] != "do" or not allowed:
        return None
    return "allow_to_deny" if asked["arguments"].get("n", 0) > MOST else None


def _no_four_eyes(folder: Path) -> None:
    place = folder / "approval.rego"
    text = place.read_text(encoding="utf-8")
    rule = r'denials contains \{\n\t"rule": "approval\.own_request".*?\n\}\n'
    without, removed = re.subn(rule, "", text, flags=re.DOTALL)
    assert removed == 1, "the rule that keeps people from their own requests was not found"
    place.write_text(without, encoding="utf-8")


def _own(entrypoint: str, asked: Mapping[str, Any], allowed: bool) -> str | None:  # noqa: FBT001
    if entrypoint != "approval" or allowed or asked["decision"] != "approve":
        return None
    return "deny_to_allow" if asked["approver"]["actor"] == asked["requester"] else None


EDITS = (
    Edit("a threshold is lowered", _threshold, _too_large),
    Edit("a rule is added", _guard, _too_many),
    Edit("a rule is taken out", _no_four_eyes, _own),
)
"""Each beside the shipped bundle, one at a time."""
