"""Roles that a command needs beyond what its decider asks for; by default none does.

Whoever has a credential of a tenant may stop its tasks: an emergency must not wait for a role. An
installation that sees it otherwise says so in its settings, command by command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from smartops.contracts.catalogue import COMMANDS
from smartops.runtime.cues import Order
from smartops.runtime.decision import Refusal
from smartops.runtime.people import Known

__all__ = ["Finds", "Rights", "read_command_roles"]

CommandRoles = Mapping[str, tuple[str, ...]]
"""Roles by the name of a command; one of them is needed."""


class Finds(Protocol):
    """Knows who is who."""

    async def find(self, tenant: str, principal: str, *, fresh: bool) -> Known | None:
        """The actor that a principal is mapped to; None when it is mapped to nobody."""
        ...


class Rights:
    """Who may give which command.

    Looked up when a command comes in, not at its append: a role that is taken away in that very
    moment may count once more.

    Args:
        people: who is who.
        needed: see `CommandRoles`; what is not named, or names no role, everybody may.
    """

    def __init__(self, people: Finds, needed: CommandRoles) -> None:
        self._people = people
        self._needed = {name: frozenset(roles) for name, roles in needed.items() if roles}

    async def refusal(self, order: Order[Any]) -> Refusal | None:
        """Why a command is not even looked at; None when it is."""
        wanted = self._needed.get(order.name)
        if wanted is None:
            return None
        known = await self._people.find(order.tenant, order.principal, fresh=True)
        if known is None:
            return Refusal("unmapped", "this principal is mapped to no actor, so it has no role")
        actor = known.mapped
        if actor.disabled:
            return Refusal("forbidden", f"{actor.name} is disabled")
        if wanted.isdisjoint(actor.roles):
            roles = " or ".join(sorted(wanted))
            return Refusal("forbidden", f"{order.name} needs the role {roles} here")
        return None


def read_command_roles(told: CommandRoles) -> CommandRoles:
    """The same, if there are such commands.

    Raises:
        ValueError: there is none of a name; a restriction that nobody heeds is worse than none.
    """
    known = {spec.data.name for spec in COMMANDS.values()}
    if unknown := sorted(set(told) - known):
        raise ValueError(
            f"there is no command {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    return told
