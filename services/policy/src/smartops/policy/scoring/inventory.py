"""What evidence says of the fleet: assets, what depends on them, how far they are off. Pure.

Read from answers of read tools, as the gateway recorded them; never from a plan. An answer counts
as an inventory when it is an object with a list `assets` of objects with an `id`; whatever tool it
came from. Beside `id` it may say `environment`, `version`, `critical` (true or false) and
`dependents` (how many others need it). What no answer says is unknown, and is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue
from smartops.contracts.wire import Environment

__all__ = ["Asset", "Inventory", "inventory_of"]


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset, as far as it is known."""

    version: str | None = None
    critical: bool | None = None
    dependents: int | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that evidence says of one environment."""

    assets: Mapping[str, Asset] = field(default_factory=dict)
    golden: frozenset[str] = frozenset()
    """Versions that something should run, by answers that name one and no asset."""

    @property
    def strayed_percent(self) -> int | None:
        """Share of assets off their version, in whole per cent, rounded up; None when unknown."""
        versions = [asset.version for asset in self.assets.values()]
        if not versions or not self.golden:
            return None
        off = sum(version not in self.golden for version in versions)
        return -(-100 * off // len(versions))


def inventory_of(answers: Iterable[tuple[str, JsonValue]], environment: Environment) -> Inventory:
    """Read answers; rows that say they are of another environment are left out.

    Args:
        answers: with the kind of question that each answers, oldest first. Of an asset the newest
            word counts, and of a kind the newest version: a task may be planned more than once.
        environment: of the plan.
    """
    assets: dict[str, Asset] = {}
    golden: dict[str, str] = {}
    for kind, answer in answers:
        if not isinstance(answer, dict):
            continue
        listed = answer.get("assets")
        if isinstance(listed, list):
            for row in listed:
                if isinstance(row, dict) and row.get("environment", environment) == environment:
                    _note(assets, row)
        elif "id" not in answer and isinstance(version := answer.get("version"), str):
            golden[kind] = version
    return Inventory(assets, frozenset(golden.values()))


def _note(assets: dict[str, Asset], row: Mapping[str, JsonValue]) -> None:
    name = row.get("id")
    if not isinstance(name, str):
        return
    version, critical, dependents = row.get("version"), row.get("critical"), row.get("dependents")
    counted = isinstance(dependents, int) and not isinstance(dependents, bool) and dependents >= 0
    assets[name] = Asset(
        version=version if isinstance(version, str) else None,
        critical=critical if isinstance(critical, bool) else None,
        dependents=dependents if counted and isinstance(dependents, int) else None,
    )
