"""What really arrived at the fleet, from its own record: the judge between us and our log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Request", "read_record"]


@dataclass(slots=True)
class Request:
    """One write that arrived."""

    number: int
    at: float
    """Seconds of the epoch, before anything was decided about it."""
    method: str
    path: str
    server: str | None
    operation: str | None
    body_sha256: str | None
    key: str | None
    headers: Mapping[str, str | None]
    outcome: str | None = None
    """applied, replayed (an earlier answer given again), refused; None: it never got that far."""
    done_at: float | None = None
    """When that was, in seconds of the epoch."""

    @property
    def call(self) -> str | None:
        """On behalf of which call, as its header says."""
        return self.headers.get("x-smartops-call")


def read_record(path: Path) -> list[Request]:
    """All requests in the order of arrival."""
    found: dict[int, Request] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry: dict[str, Any] = json.loads(line)
        if "n" in entry:
            found[entry["n"]] = Request(
                number=entry["n"],
                at=entry["at"],
                method=entry["method"],
                path=entry["path"],
                server=entry["server"],
                operation=entry["operation"],
                body_sha256=entry["body_sha256"],
                key=entry["idempotency_key"],
                headers=entry["headers"],
            )
            continue
        for outcome in ("applied", "replayed", "refused"):
            if outcome in entry:
                found[entry[outcome]].outcome = outcome
                found[entry[outcome]].done_at = entry["at"]
    return list(found.values())
