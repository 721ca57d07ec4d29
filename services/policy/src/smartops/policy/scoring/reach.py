"""How far a plan reaches: its blast radius, from registry, evidence and plan. Pure.

What a plan says of itself in words or in its `total_assets` counts for nothing here, except that
it may make the fleet smaller than the inventory does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smartops.contracts.plan import Phase, Plan
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Environment, Scope
from smartops.policy.scoring.inventory import Asset, Inventory
from smartops.policy.scoring.modes import Autonomy

__all__ = ["Reach", "is_canary", "reach_of"]

_WIDTH = (Scope.ASSET, Scope.ENVIRONMENT, Scope.ORGANIZATION)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a plan can change, at most."""

    environment: Environment
    writes: int = 0
    irreversible: int = 0
    """Writes that nothing takes back."""
    changed: tuple[str, ...] = ()
    """Targets that are written to."""
    assets: int = 0
    """Assets that its calls can change: per target the widest call, by the registry."""
    unbounded: tuple[str, ...] = ()
    """Tools that write and do not say how far: each counts as all there is."""
    total: int = 0
    """Assets there are: those of the inventory, never more than the plan says, never less than it
    changes. Without an inventory, those that it changes: so it changes all of them."""
    counted: bool = False
    """An inventory told the total."""
    scope: Scope = Scope.ASSET
    """The widest of its writing tools."""
    critical: tuple[str, ...] = ()
    """Changed assets that inventory or settings mark as critical."""
    unknown: tuple[str, ...] = ()
    """Changed assets of which nobody says whether they are."""
    dependents: int = 0
    """Most others that need one of them."""
    largest_phase: int = 0
    """Most assets that one phase writes to."""
    canary: bool = False
    """The first phase that writes is called canary, or one asset is all that is changed."""
    unwatched: tuple[str, ...] = ()
    """Phases that write and do not say when they are taken back."""
    unchecked: tuple[str, ...] = ()
    """Phases that write and have no health check."""

    @property
    def percent(self) -> int:
        """Share of the assets there are, in whole per cent, rounded up."""
        return min(100, -(-100 * self.assets // self.total)) if self.total else 0


def reach_of(
    plan: Plan, tools: Mapping[str, ToolDescriptor], inventory: Inventory, autonomy: Autonomy
) -> Reach:
    """Measure a plan.

    Args:
        plan: readable.
        tools: registered ones by name; a tool that is missing counts as reaching everywhere.
        inventory: what evidence says.
        autonomy: settings of its environment, which may name critical assets.
    """
    writes = [step for step in plan.steps if _writes(tools.get(step.tool))]
    changed = tuple(dict.fromkeys(step.target for step in writes))
    known = len(inventory.assets)
    total = max(len(changed), min(known, plan.header.total_assets or known))
    widths: dict[str, int] = {}
    unbounded = set()
    for step in writes:
        tool = tools.get(step.tool)
        radius = tool.blast_radius if tool is not None else None
        if radius is None:
            unbounded.add(step.tool)
        widths[step.target] = max(widths.get(step.target, 1), radius or 1)
    assets = sum(widths.values())
    if unbounded:
        assets = max(assets, total)
    judged = {name: _known(name, inventory, autonomy) for name in changed}
    steps = plan.by_hash()
    phases = [
        (phase, touched)
        for phase in plan.header.phases
        if (
            touched := {
                s.target for one in phase.steps if _writes(tools.get((s := steps[one]).tool))
            }
        )
    ]
    return Reach(
        environment=plan.header.environment,
        writes=len(writes),
        irreversible=sum(
            step.undo is None or _category(tools.get(step.tool)) is not Category.REVERSIBLE
            for step in writes
        ),
        changed=changed,
        assets=assets,
        unbounded=tuple(sorted(unbounded)),
        total=total,
        counted=known > 0,
        scope=max(
            (_scope(tools.get(step.tool)) for step in writes),
            key=_WIDTH.index,
            default=Scope.ASSET,
        ),
        critical=tuple(name for name, asset in judged.items() if asset.critical),
        unknown=tuple(
            name
            for name, asset in judged.items()
            if asset.critical is None and asset.dependents is None
        ),
        dependents=max((asset.dependents or 0 for asset in judged.values()), default=0),
        largest_phase=max((len(touched) for _, touched in phases), default=0),
        canary=bool(phases) and (len(changed) == 1 or is_canary(phases[0][0])),
        unwatched=tuple(phase.name for phase, _ in phases if not phase.rollback_if.strip()),
        unchecked=tuple(phase.name for phase, _ in phases if not phase.checks),
    )


def is_canary(phase: Phase) -> bool:
    """Whether a phase is called so, as the rules ask it."""
    return phase.name.lower() == "canary"


def _known(name: str, inventory: Inventory, autonomy: Autonomy) -> Asset:
    """An asset by inventory and settings: critical if either says so."""
    seen = inventory.assets.get(name, Asset())
    marked = autonomy.critical(name)
    critical = seen.critical if marked is None else marked or bool(seen.critical)
    return Asset(seen.version, critical, seen.dependents)


def _category(tool: ToolDescriptor | None) -> Category | None:
    return None if tool is None else tool.category


def _writes(tool: ToolDescriptor | None) -> bool:
    return _category(tool) is not Category.READ


def _scope(tool: ToolDescriptor | None) -> Scope:
    return Scope.ORGANIZATION if tool is None else tool.scope
