"""Whoever tells of a task: which service says what on which stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import EVENTS, GATEWAY, PLANNER, POLICY, RUNNER
from smartops.contracts.events import Approval
from smartops.contracts.ids import actor_id, call_id, command_key, principal, run_id, task_id
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData, Purpose

__all__ = ["ANY", "OPERATOR", "SERVICES", "Said", "Teller"]

SERVICES = (PLANNER, POLICY, RUNNER, GATEWAY)
OPERATOR = principal("local", "operator")
ANY = digest(b"anything")


@dataclass(frozen=True)
class Said:
    """One unit: what a service writes to one stream."""

    service: str
    stream: str
    events: tuple[EventData, ...]
    blobs: tuple[bytes, ...] = ()


@dataclass
class Teller:
    """A task, told service by service. Each method adds what one service says at one time."""

    tenant: str
    name: str
    said: list[Said] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.task = task_id(command_key(self.tenant, OPERATOR, "intent.submit", self.name))
        self.run = run_id(self.task, 1, 1)
        self.document = f'{{"plan of":"{self.tenant}/{self.name}"}}'.encode()
        self.assessment = f'{{"assessment of":"{self.tenant}/{self.name}"}}'.encode()
        self.plan_hash = digest(self.document + b"header")
        self.approver = Approval(
            actor=actor_id(self.tenant, "ada"),
            actor_name="Ada",
            principal=principal("local", "approver"),
            authtype="local",
            actor_version=1,
        )

    def add(self, service: str, *events: EventData, blobs: tuple[bytes, ...] = ()) -> Self:
        spec = EVENTS[events[0].type_key()]
        category = spec.decided_by[service]
        ident: object = {
            "task": self.task,
            "gate": self.task,
            "run": self.run,
            "call": getattr(events[0], "call", None),
            "target": f"production/{getattr(events[0], 'target', None)}",
            "actor": getattr(events[0], "actor", None),
            "standing": getattr(events[0], "standing", None),
            "tool": "noop",
            "track": "noop/1.0.0/production",
        }[category]
        name = stream(self.tenant, category, ident)
        self.said.append(Said(service, name, events, blobs))
        return self

    @property
    def of_run(self) -> dict[str, UUID]:
        return {"task": self.task, "run": self.run}

    @property
    def target(self) -> str:
        return f"web-{self.name}"

    def call(self, step: int, purpose: Purpose = Purpose.DO) -> UUID:
        return call_id(
            stream(self.tenant, "run", self.run), f"canary/{step}/{self.target}", purpose, 1
        )
