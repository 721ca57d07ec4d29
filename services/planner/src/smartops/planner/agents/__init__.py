"""The offline agents: playbooks that plan without a language model."""

from __future__ import annotations

from collections.abc import Sequence

from smartops.contracts.events import TaskSubmitted
from smartops.planner.agents.base import Agent, Misunderstood
from smartops.planner.agents.drift import DriftAgent
from smartops.planner.agents.incident import IncidentAgent
from smartops.planner.agents.noop import NoopAgent
from smartops.planner.agents.runbook import RunbookAgent

__all__ = [
    "Agent",
    "DriftAgent",
    "IncidentAgent",
    "Misunderstood",
    "NoopAgent",
    "RunbookAgent",
    "choose",
]


def choose(agents: Sequence[Agent], submitted: TaskSubmitted) -> Agent | Misunderstood:
    """The agent for an intent: the one asked for, or the first that it suits."""
    wanted = submitted.context.agent
    for agent in agents:
        if agent.ref.name == wanted or (wanted is None and agent.suits(submitted)):
            return agent
    known = ", ".join(f"{agent.ref.name} ({agent.purpose})" for agent in agents)
    if wanted is not None:
        return Misunderstood("parse_error", f"there is no agent {wanted!r}; known: {known}")
    return Misunderstood("parse_error", f"no agent understands this intent; known: {known}")
