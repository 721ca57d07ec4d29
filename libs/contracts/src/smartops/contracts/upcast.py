"""Old events read as new ones: total, pure steps from one version to the next.

A new version of an event is a new class beside the old one, plus one entry here; history is never
rewritten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["UPCASTERS", "upcast"]

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: dict[str, Upcaster] = {}
"""From `name.vN` to the function that turns its data into that of `name.v(N+1)`."""


def upcast(topic: str, data: dict[str, Any]) -> dict[str, Any]:
    """Walk the chain from `topic` to the newest version."""
    name, _, version = topic.rpartition(".v")
    number = int(version)
    while (step := UPCASTERS.get(f"{name}.v{number}")) is not None:
        data = step(data)
        number += 1
    return data
