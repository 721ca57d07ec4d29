"""Rollouts for tests of runs: watched phases of patches, and runs that have come so far."""

from __future__ import annotations

from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, Check, Idempotence
from smartops.runner.rollback import MAX_UNDO_ATTEMPTS
from support.plans import CHECKS, phase, plan, step, tool
from support.running import Line

__all__ = ["OPAQUE", "READ", "begun", "give_up", "pass_window", "rollout", "watched"]

READ = tool("look", category=Category.READ)
OPAQUE = tool("restart", category=Category.IRREVERSIBLE, idempotence=Idempotence.OPAQUE)


def rollout(
    *sizes: int,
    parallelism: int = 4,
    checks: tuple[Check, ...] = CHECKS,
    rollback_if: str | None = None,
) -> Plan:
    """Watched phases of so many patches each."""
    phases = []
    count = 0
    for number, size in enumerate(sizes):
        targets = [f"web-{n:02}" for n in range(count + 1, count + size + 1)]
        count += size
        name = "canary" if number == 0 else f"wave-{number}"
        members = [step(target, phase=name) for target in targets]
        phases.append(
            phase(
                *members,
                name=name,
                parallelism=parallelism,
                checks=checks,
                rollback_if=rollback_if,
            )
        )
    return plan(*phases)


def begun(made: Plan) -> Line:
    """A run that has just started."""
    line = Line(made)
    line.start()
    return line


def watched(made: Plan | None = None) -> Line:
    """A run whose canary is applied and being watched."""
    line = begun(made or rollout(1, 2))
    line.applied("web-01")
    return line


def pass_window(line: Line) -> None:
    """All samples of the phase under way come back healthy."""
    here = line.run.phase
    while True:
        line.samples()
        if line.run.phase != here or not line.run.alive:
            return
        line.tick()


def give_up(line: Line, target: str) -> None:
    """Taking back a target fails until nobody tries any more."""
    for attempt in range(1, MAX_UNDO_ATTEMPTS + 1):
        line.failed(target)
        if attempt < MAX_UNDO_ATTEMPTS:
            line.tick()
