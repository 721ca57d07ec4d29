"""Whether all poison ended as it should and slowed nobody, and the figures of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from smartops.contracts.catalogue import HANDLERS
from smartops.contracts.events import CommandRefused

from benchmarks.lib.dead_letters import Place
from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.poison import End, Poison
from benchmarks.lib.poison_kinds import STRANGERS_TENANT
from benchmarks.lib.poison_windows import Plan, Run

__all__ = ["check_ends", "check_latency", "figures", "refusals"]

SLOWER = 2.0
"""So many times longer, at the median, an ordinary task may take while there is poison."""
BLOCKED_S = 3.0
"""A task that takes longer than this stood behind some poison."""


def refusals(events: Sequence[Any]) -> Counter[str]:
    """By what the refused command's stream is called."""
    return Counter(
        said.row.stream
        for said in events
        if isinstance(said.data, CommandRefused) and said.row.tenant == STRANGERS_TENANT
    )


def check_ends(
    sent: Sequence[tuple[Poison, int]],
    letters: dict[Place, list[str]],
    refused: Counter[str],
) -> list[str]:
    """What did not end as it should."""
    found = []
    meant = [(one, place, durable) for one, place in sent for durable in one.listeners]
    ours = {(one.stream, place, durable) for one, place, durable in meant if one.end is End.DEAD}
    for one, place, durable in meant:
        reasons = letters.get((one.stream, place, durable), [])
        what = f"{one.kind!r} at {place} of {one.stream} for {durable}"
        if one.end is End.DEAD and (len(reasons) != 1 or not all(reasons)):
            found.append(f"{what}: {len(reasons)} dead letters {reasons}")
        if one.end is not End.DEAD and reasons:
            found.append(f"{what} was given up instead of {one.end}: {reasons}")
    found += [f"{place} was given up: {why}" for place, why in letters.items() if place not in ours]
    wanted = sum(one.end is End.REFUSED for one, _ in sent)
    if refused.total() != wanted or any(count > 1 for count in refused.values()):
        found.append(f"{refused.total()} refusals of {wanted} commands that cannot be read")
    return found


def check_latency(run: Run, *, strict: bool) -> list[str]:
    """Tasks that were held up."""
    quiet, poisoned = percentile(run.quiet, 0.5), percentile(run.poisoned, 0.5)
    found = [f"a task is stuck: {why}" for why in run.stuck]
    if quiet is None or poisoned is None:
        return [*found, "no task was measured"]
    if strict and poisoned > SLOWER * quiet:
        found.append(f"tasks take {poisoned:.4f} s with poison, {quiet:.4f} s without")
    if (worst := max(run.poisoned)) > BLOCKED_S:
        found.append(f"a task took {worst:.1f} s while there was poison")
    return found


def figures(
    plan: Plan, run: Run, letters: dict[Place, list[str]], refused: Counter[str]
) -> dict[str, object]:
    """For the report."""
    by_durable: dict[str, Counter[str]] = defaultdict(Counter)
    for one, _ in run.sent:
        by_durable[one.durable][one.end] += 1
    return {
        "n": len(run.sent),
        "seed": plan.seed,
        "rate_per_s": plan.rate,
        "tasks": {"quiet": len(run.quiet), "poisoned": len(run.poisoned)},
        "tasks_in_flight": plan.in_flight,
        "without": list(plan.without),
        "durables": len({spec.durable for spec in HANDLERS}),
        "poison": dict(Counter(one.kind for one, _ in run.sent)),
        "ends_wanted": {durable: dict(ends) for durable, ends in by_durable.items()},
        "dead_letters": sum(map(len, letters.values())),
        "refusals": refused.total(),
        "reasons": dict(
            Counter(why.partition(":")[0] for all_ in letters.values() for why in all_)
        ),
        "task_ms": {"quiet": _spread(run.quiet), "poisoned": _spread(run.poisoned)},
    }


def _spread(seconds: Sequence[float]) -> dict[str, float | None]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        name: rounded(None if (at := percentile(seconds, share)) is None else 1000 * at)
        for name, share in shares.items()
    }
