"""What the services' own logs count."""

from __future__ import annotations

import json
from collections import Counter

from smartops.devstack.stack import Stack

__all__ = ["events_swept"]


def events_swept(stack: Stack) -> dict[str, int]:
    """Events that the bus did not bring in time, so a sweep of the log found them; by service."""
    found: Counter[str] = Counter()
    for name in stack.services:
        for line in (stack.home / "logs" / f"{name}.log").read_text("utf-8").splitlines():
            if '"message":"swept"' in line and json.loads(line)["message"] == "swept":
                found[name] += 1
    return dict(found)
