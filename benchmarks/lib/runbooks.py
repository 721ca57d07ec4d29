"""Intents that patch and restart servers of their own; a third of the steps is opaque."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["STEPS", "Accepted", "Runbook", "Runbooks"]

STEPS = 6
"""Per runbook: four patches, deduped by key at the fleet, and two restarts, which are not."""


@dataclass(frozen=True, slots=True)
class Runbook:
    """One intent."""

    ident: str
    targets: tuple[str, ...]
    steps: tuple[tuple[str, str, str], ...]
    """(tool, target, version or reason), in the order given."""
    payload: bytes

    def wanted(self, target: str, tool: str) -> list[str]:
        """Versions, or reasons, that a tool shall bring to a target."""
        return [what for name, where, what in self.steps if (name, where) == (tool, target)]


class Accepted(NamedTuple):
    """A runbook that the command stream has acknowledged."""

    runbook: Runbook
    at: float
    """Seconds of the epoch."""


class Runbooks:
    """Runbooks on fresh servers, until there are no more; the same ones for the same seed."""

    def __init__(self, seed: int, servers: int, environment: str) -> None:
        self._random = random.Random(seed)
        self._name = f"{self._random.getrandbits(32):08x}"
        self._environment = environment
        self._free = [f"web-{number:02d}" for number in range(1, servers + 1)]
        self._random.shuffle(self._free)
        self._made = 0

    def first_servers(self, count: int) -> list[str]:
        """Those that the first runbooks will use."""
        return self._free[-count:] if count else []

    def next(self) -> Runbook | None:
        """Another one, on one server or on two; None when too few servers are left."""
        count = self._random.choice((1, 2))
        if len(self._free) < count:
            return None
        targets = tuple(self._free.pop() for _ in range(count))
        self._made += 1
        ident = f"{self._name}-{self._made}"
        tools = ["restart_server", "restart_server", *["apply_patch"] * 4]
        self._random.shuffle(tools)
        steps = []
        for number, tool in enumerate(tools):
            what = f"3.{self._made}.{number}" if tool == "apply_patch" else f"{ident}/{number}"
            steps.append((tool, targets[number % count], what))
        return Runbook(ident, targets, tuple(steps), self._payload(ident, steps))

    def _payload(self, ident: str, steps: list[tuple[str, str, str]]) -> bytes:
        field = {"apply_patch": "version", "restart_server": "reason"}
        wanted = [
            {"tool": tool, "target": target, "arguments": {"asset": target, field[tool]: what}}
            for tool, target, what in steps
        ]
        intent = {
            "intent": f"Run the maintenance {ident}",
            "environment": self._environment,
            "context": {"agent": "runbook", "steps": wanted},
        }
        return json.dumps(intent).encode()
