"""Backups: jobs that end by themselves, some time after they were started."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Backup", "Backups"]


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup of one server.

    Nothing ticks: when it ends is known when it is started, so that it goes on across restarts.
    """

    server: str
    label: str
    began: float
    """Seconds since the epoch."""
    ends: float
    fails: bool = False

    def view(self, now: float) -> dict[str, Any]:
        """The backup as the API shows it at a moment."""
        shown: dict[str, Any] = {"server": self.server, "label": self.label}
        if now < self.ends:
            share = (now - self.began) / (self.ends - self.began)
            return {**shown, "state": "running", "percent": max(0, min(99, int(100 * share)))}
        if self.fails:
            reason = "the server was unhealthy when it began"
            return {**shown, "state": "failed", "percent": 99, "reason": reason}
        return {**shown, "state": "done", "percent": 100}


class Backups:
    """All backups by server and label."""

    def __init__(self, kept: list[dict[str, Any]] | None = None) -> None:
        found = [Backup(**one) for one in kept or ()]
        self._by_label = {(one.server, one.label): one for one in found}

    def get(self, server: str, label: str) -> Backup | None:
        """The backup of a server under a label."""
        return self._by_label.get((server, label))

    def all(self) -> list[Backup]:
        """Every backup, in the order in which they were begun."""
        return list(self._by_label.values())

    def put(self, backup: Backup) -> None:
        """Start one; one of the same label gives way."""
        self._by_label[backup.server, backup.label] = backup

    def drop(self, server: str, label: str) -> bool:
        """Delete one; whether there was any."""
        return self._by_label.pop((server, label), None) is not None

    def to_json(self) -> list[dict[str, Any]]:
        """The backups as a snapshot holds them."""
        return [asdict(one) for one in self.all()]
