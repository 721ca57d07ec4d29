"""What the table of the bus is made of: classes of subjects, and who may use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.lib.permissions.bus_facts import DURABLES, PEOPLE, SERVICES

__all__ = [
    "OWN_OF_PEOPLE",
    "OWN_OF_SERVICES",
    "Action",
    "Right",
    "Subject",
    "SubjectClass",
    "durables",
    "plain",
]


class Action(StrEnum):
    """What is done with a subject."""

    SAY = "say"
    HEAR = "hear"


class Right(StrEnum):
    """How much of a class a credential may."""

    NONE = "-"
    OWN = "own"
    ALL = "yes"


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject to try, and the credentials whose own it is."""

    text: str
    own: frozenset[str] = frozenset()
    body: bytes = b"{}"
    queue: str = ""
    """Of a subscription that shares its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectClass:
    """Subjects that are treated alike; who is not named in `may` may nothing."""

    name: str
    action: Action
    subjects: tuple[Subject, ...]
    why: str
    may: Mapping[str, Right] = field(default_factory=dict)
    answered: bool = True
    """What is let through is answered: it has reached whom it was meant for."""

    def allows(self, who: str, subject: Subject) -> bool:
        """Whether this credential may use this subject."""
        right = self.may.get(who, Right.NONE)
        return right is Right.ALL or (right is Right.OWN and who in subject.own)


OWN_OF_SERVICES = dict.fromkeys(SERVICES, Right.OWN)
OWN_OF_PEOPLE = dict.fromkeys(PEOPLE, Right.OWN)


def plain(texts: Iterable[str]) -> tuple[Subject, ...]:
    """Subjects that are nobody's own."""
    return tuple(Subject(text) for text in texts)


def durables() -> Iterable[tuple[str, str, frozenset[str]]]:
    """Stream and name of each durable, and whose own it is."""
    for durable, (stream, owner) in DURABLES.items():
        yield stream, durable, frozenset({owner})
