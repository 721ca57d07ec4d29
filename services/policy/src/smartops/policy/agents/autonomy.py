"""Levels decided: they fall by what happens and rise by a person alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from smartops.contracts.autonomy import ANY
from smartops.contracts.commands import AutonomyLower, AutonomyRaise
from smartops.contracts.events import AutonomyChanged
from smartops.contracts.folds import (
    AutonomyDefault,
    AutonomyScope,
    AutonomyView,
    effective_level,
)
from smartops.contracts.folds.autonomy import holding
from smartops.contracts.wire import LONGEST_TEXT, Environment
from smartops.runtime.decision import Answer, Decision, Refusal

__all__ = [
    "HIGHEST",
    "HIGHEST_IN_PRODUCTION",
    "SUGGESTS",
    "Why",
    "by_person",
    "drifted",
    "fall",
    "lower",
    "lower_all",
    "raise_level",
    "step_down",
]

HIGHEST = 3
"""L4, irreversible without approval, is switched off (decision 36)."""

HIGHEST_IN_PRODUCTION = 2
"""There a person approves whatever cannot be taken back, so L3 would promise what is not kept."""

SUGGESTS = 1
"""What falls by itself stops here: every write waits for a person."""

OBSERVES = 0
"""Where a breach ends: nothing is written at all until a person raises the level."""


@dataclass(frozen=True, slots=True)
class Why:
    """What a change is put down to."""

    rule: str
    reason: str
    event: UUID | None = None
    task: UUID | None = None
    command: UUID | None = None
    principal: str | None = None
    actor: UUID | None = None

    def change(
        self, agent: str, scope: AutonomyScope, level: int, before: int, digest: str | None = None
    ) -> AutonomyChanged:
        """The event of one change."""
        return AutonomyChanged(
            agent=agent,
            agent_version=scope.version,
            tool=scope.tool,
            environment=scope.environment,
            level=level,
            before=before,
            rule=self.rule,
            reason=self.reason[:LONGEST_TEXT],
            event=self.event,
            task=self.task,
            command=self.command,
            principal=self.principal,
            actor=self.actor,
            tool_digest=digest,
        )


def step_down(
    view: AutonomyView,
    default: AutonomyDefault,
    agent: str,
    version: str,
    tools: Iterable[str],
    environment: Environment,
    why: Why,
) -> list[AutonomyChanged]:
    """One level less for each of these tools, and no less than suggesting."""
    changes: list[AutonomyChanged] = []
    for tool in sorted(tools):
        scope = AutonomyScope(version, tool, environment.value)
        before = effective_level(view, default, scope)
        if before > SUGGESTS:
            earned = view.said[scope].tool_digest if scope in view.said else None
            kept = earned if before - 1 > default.of(scope.environment) else None
            changes.append(why.change(agent, scope, before - 1, before, kept))
    return changes


def fall(
    view: AutonomyView,
    default: AutonomyDefault,
    agent: str,
    version: str,
    environment: Environment,
    why: Why,
) -> list[AutonomyChanged]:
    """After a breach: this version only observes in this environment, whatever the tool."""
    scope = AutonomyScope(version, ANY, environment.value)
    return lower_all(view, default, agent, scope, OBSERVES, why)


def lower_all(
    view: AutonomyView,
    default: AutonomyDefault,
    agent: str,
    scope: AutonomyScope,
    level: int,
    why: Why,
) -> list[AutonomyChanged]:
    """Lower a scope and all that lies within it; nothing where all of that is as low already."""
    changes: list[AutonomyChanged] = []
    before = effective_level(view, default, scope)
    own = view.said.get(scope)
    # A cap that crosses this scope may let a part of it have more than the scope as a whole.
    crossed = own is None and any(
        one.crosses(scope) and event.level > level for one, event in view.said.items()
    )
    if before > level or crossed:
        changes.append(why.change(agent, scope, min(level, before), before))
    covered = f"{why.reason} (lowered for {_named(agent, scope)})"
    for inner, event in view.within(scope):
        if inner != scope and event.level > level:
            wide = Why("covered", covered, why.event, why.task, why.command, why.principal)
            changes.append(wide.change(agent, inner, level, event.level))
    return changes


def drifted(
    view: AutonomyView,
    default: AutonomyDefault,
    agent: str,
    version: str,
    tools: Mapping[str, str],
    environment: Environment,
) -> list[AutonomyChanged]:
    """One level less where a raised one was earned with another tool of this name.

    Args:
        view: what was said of the agent.
        default: where nothing was.
        agent: its name.
        version: its version.
        tools: name to digest, as registered now.
        environment: where.
    """
    changes: list[AutonomyChanged] = []
    for tool, digest in sorted(tools.items()):
        scope = AutonomyScope(version, tool, environment.value)
        said = view.said.get(scope)
        if said is None or said.tool_digest in (None, digest) or said.level <= SUGGESTS:
            continue
        why = Why("drift", f"{tool} is no longer the tool with which L{said.level} was earned")
        kept = digest if said.level - 1 > default.of(scope.environment) else None
        changes.append(why.change(agent, scope, said.level - 1, said.level, kept))
    return changes


def by_person(command: AutonomyRaise | AutonomyLower) -> AutonomyScope:
    """What a command is about."""
    return AutonomyScope(command.agent_version, command.tool, command.environment)


def raise_level(
    view: AutonomyView,
    default: AutonomyDefault,
    command: AutonomyRaise,
    digest: str | None,
    why: Why,
) -> Decision:
    """Raise by one level; above the default only what is named in full.

    Args:
        view: what was said of the agent.
        default: where nothing was.
        command: what is asked for.
        digest: of the tool, as registered; None: no such tool, or `*`.
        why: who asks, and the reason.
    """
    scope = by_person(command)
    before = effective_level(view, default, scope)
    if (refusal := _too_high(view, default, scope, command.level, before)) is not None:
        return Decision(refusal=refusal)
    if command.level == before:
        return Decision(answer=Answer("unchanged", f"{_named(command.agent, scope)} has L{before}"))
    if command.tool != ANY and digest is None:
        return Decision(refusal=Refusal("not_found", f"no tool {command.tool} is there", "tool"))
    earned = digest if command.level > default.of(scope.environment) else None
    return Decision([why.change(command.agent, scope, command.level, before, earned)])


def lower(
    view: AutonomyView, default: AutonomyDefault, command: AutonomyLower, why: Why
) -> Decision:
    """Lower a scope and all within it, at once and as far as asked."""
    scope = by_person(command)
    if command.level > HIGHEST:
        return Decision(refusal=_off())
    changes = lower_all(view, default, command.agent, scope, command.level, why)
    if changes:
        return Decision(changes)
    before = effective_level(view, default, scope)
    if before < command.level:
        message = f"{_named(command.agent, scope)} has L{before}: raise it instead"
        return Decision(refusal=Refusal("not_lower", message, "level"))
    return Decision(answer=Answer("unchanged", f"{_named(command.agent, scope)} has L{before}"))


def _too_high(
    view: AutonomyView, default: AutonomyDefault, scope: AutonomyScope, level: int, before: int
) -> Refusal | None:
    if level > HIGHEST:
        return _off()
    if level < before:
        return Refusal("not_higher", f"it has L{before}: lower it instead", "level")
    if not scope.exact and holding(view, scope) is None:
        return Refusal(
            "too_wide",
            "nothing holds it down: above the default, name version, tool and environment",
            _open_field(scope),
        )
    production = scope.environment == Environment.PRODUCTION
    if scope.exact and production and level > HIGHEST_IN_PRODUCTION:
        message = f"L{HIGHEST_IN_PRODUCTION} is the highest in production"
        return Refusal("too_high", message, "level")
    if not scope.exact and level > default.of(scope.environment):
        return Refusal(
            "too_wide",
            f"above L{default.of(scope.environment)}, name version, tool and environment",
            _open_field(scope),
        )
    if level > before + 1:
        return Refusal("too_far", f"it has L{before}: one level at a time", "level")
    return None


def _open_field(scope: AutonomyScope) -> str:
    names = ("agent_version", "tool", "environment")
    return next(name for name, value in zip(names, scope, strict=True) if value == ANY)


def _off() -> Refusal:
    return Refusal("switched_off", "L4 is switched off", "level")


def _named(agent: str, scope: AutonomyScope) -> str:
    return f"{agent} {scope.version} with {scope.tool} in {scope.environment}"
