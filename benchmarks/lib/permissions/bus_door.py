"""Where the bus is, with what one gets in, and what is tried there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from smartops.devstack.stack import Stack

from benchmarks.lib.permissions.bus_facts import CREDENTIALS
from benchmarks.lib.permissions.bus_kinds import Action, Subject, SubjectClass

__all__ = ["Door", "Try", "door_of"]


class Door(NamedTuple):
    """Where the server is, and with what people get in."""

    port: int
    seeds: Mapping[str, str]
    principals: Mapping[str, str]


class Try(NamedTuple):
    """A subject of a class."""

    kind: SubjectClass
    subject: Subject

    @property
    def key(self) -> tuple[Action, str, str]:
        """What the server names when it refuses."""
        return self.kind.action, self.subject.text, self.subject.queue

    def what(self) -> str:
        """In words."""
        queue = f" (queue {self.subject.queue})" if self.subject.queue else ""
        return f"{self.kind.action} {self.subject.text}{queue}"


def door_of(stack: Stack) -> Door:
    """The door of a running stack."""
    folder: Path = stack.credentials.directory
    return Door(
        port=int(stack.nats.url.rpartition(":")[2]),
        seeds={name: (folder / f"{name}.nk").read_text("utf-8").strip() for name in CREDENTIALS},
        principals=stack.principals,
    )
