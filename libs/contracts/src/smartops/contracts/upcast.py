"""Old events read as new ones: pure steps from one version to the next.

A new version of an event is a new class beside the old one, plus one entry here; history is never
rewritten. A step gets data that its own version's class has accepted, so it is total: no field
that it names can be missing or of another type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["UPCASTERS", "upcast"]

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


def _call_denied_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
    """One rule and its message become the list of them; policy and grant were never noted."""
    kept = {name: value for name, value in data.items() if name not in ("rule", "message")}
    return {**kept, "reasons": [{"rule": data["rule"], "message": data["message"]}]}


UPCASTERS: dict[str, Upcaster] = {"tool.call.denied.v1": _call_denied_v1_v2}
"""From `name.vN` to the function that turns its data into that of `name.v(N+1)`."""


def upcast(topic: str, data: dict[str, Any]) -> dict[str, Any]:
    """Walk the chain from `topic` to the newest version."""
    name, _, version = topic.rpartition(".v")
    number = int(version)
    while (step := UPCASTERS.get(f"{name}.v{number}")) is not None:
        data = step(data)
        number += 1
    return data
