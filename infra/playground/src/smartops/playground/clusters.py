"""Clusters: members of which one leads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Cluster", "clusters_from_json", "first_clusters"]


@dataclass(slots=True)
class Cluster:
    """A cluster, its members by name and how far each is behind, in seconds."""

    id: str
    primary: str
    members: dict[str, float]
    failovers: int = 0
    """Changes of the primary."""

    def view(self, healthy: Callable[[str], bool]) -> dict[str, Any]:
        """The cluster as the API shows it."""
        return {
            "id": self.id,
            "primary": self.primary,
            "members": [
                {"name": name, "healthy": healthy(name), "lag_s": lag}
                for name, lag in self.members.items()
            ],
            "failovers": self.failovers,
        }

    def hand_over(self, primary: str) -> dict[str, Any]:
        """Let a member lead; the answer that it deserves."""
        answer = {"id": self.id, "primary": primary, "previous_primary": self.primary}
        self.failovers += primary != self.primary
        self.primary = primary
        return answer

    def to_json(self) -> dict[str, Any]:
        """The cluster as a snapshot holds it."""
        return asdict(self)


def first_clusters() -> dict[str, Cluster]:
    """The clusters of a new fleet by id."""
    members = {"orders-db-1": 0.0, "orders-db-2": 0.4, "orders-db-3": 1.2}
    return {"orders-db": Cluster("orders-db", "orders-db-1", members)}


def clusters_from_json(data: list[dict[str, Any]]) -> dict[str, Cluster]:
    """The clusters written by `to_json`."""
    return {one["id"]: Cluster(**one) for one in data}
