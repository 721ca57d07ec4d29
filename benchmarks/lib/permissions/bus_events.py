"""Who may say and hear events and commands: by hand, from the design."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.lib.permissions.bus_facts import (
    COMMANDS,
    HERE,
    NOT_SAID,
    PEOPLE,
    PLANNER,
    RESERVED,
    SAID_BY,
    TENANTS,
)
from benchmarks.lib.permissions.bus_kinds import (
    OWN_OF_PEOPLE,
    OWN_OF_SERVICES,
    Action,
    Right,
    Subject,
    SubjectClass,
    plain,
)

__all__ = ["commands", "events"]

_PARTIES = ("-", "planner", "runner")


def events(entity: str) -> Iterable[SubjectClass]:
    """Facts, said and heard."""
    for tenant in TENANTS:
        yield SubjectClass(
            name=f"an event of `{tenant}`",
            action=Action.SAY,
            subjects=tuple(
                Subject(f"smartops.{tenant}.{topic}.v1.{party}.{entity}", frozenset(sayers))
                for topic, sayers in SAID_BY.items()
                for party in _PARTIES
            ),
            may=OWN_OF_SERVICES,
            why="A service says what it decides, for every tenant; nobody else says events.",
        )
    yield SubjectClass(
        name="an event that is not for the bus, or reserved",
        action=Action.SAY,
        subjects=plain(
            f"smartops.{tenant}.{topic}.v1.-.{entity}"
            for tenant in TENANTS
            for topic in (*NOT_SAID, *RESERVED)
        ),
        why="A topic has a sayer from the day there is code that decides it.",
    )
    yield SubjectClass(
        name="what only looks like an event",
        action=Action.SAY,
        subjects=plain(
            (
                "smartops.acme.task.planned",
                f"smartops.acme.task.planned.v1.{entity}",
                f"smartops.acme.task.planned.v1.-.{entity}.more",
                f"smartops.task.planned.v1.-.{entity}",
                f"smartops.acme.x.task.planned.v1.-.{entity}",
                f"smartops.acme.task.v1.-.{entity}",
                f"SMARTOPS.acme.task.planned.v1.-.{entity}",
                f"smartops2.acme.task.planned.v1.-.{entity}",
                f"acme.task.planned.v1.-.{entity}",
                "smartops",
                "smartops.acme",
            )
        ),
        why="Tenant, topic and version stand where they stand, or a name could be shifted.",
    )
    yield SubjectClass(
        name="an event with a wildcard for a name",
        action=Action.SAY,
        subjects=tuple(
            Subject(text, frozenset({PLANNER}))
            for text in (
                f"smartops.*.task.planned.v1.-.{entity}",
                f"smartops.acme.task.planned.*.-.{entity}",
                "smartops.acme.task.planned.v1.-.*",
                "smartops.acme.task.planned.v1.-.>",
            )
        ),
        may=OWN_OF_SERVICES,
        why="In what is said the server takes it for a plain name; no subscriber of a tenant hears "
        "it for another, and who reads it refuses it.",
    )
    topics = (*SAID_BY, *NOT_SAID, *RESERVED)
    for tenant in TENANTS:
        here = tenant == HERE
        yield SubjectClass(
            name=f"events of `{tenant}`",
            action=Action.HEAR,
            subjects=(
                Subject(f"smartops.{tenant}.>"),
                Subject(f"smartops.{tenant}.task.>", queue="shared"),
                *plain(f"smartops.{tenant}.{topic}.v1.*.*" for topic in topics),
            ),
            may=dict.fromkeys(PEOPLE, Right.ALL) if here else {},
            why="People hear their own tenant. Services pull what they handle, and hear nothing."
            if here
            else "Tenants never meet.",
        )
    yield SubjectClass(
        name="events of all tenants",
        action=Action.HEAR,
        subjects=(
            *plain(("smartops.>", "smartops.*.>", "smartops.*.task.>", "smartops.*.*.*.*.*.*")),
            Subject("smartops.>", queue="shared"),
        ),
        why="Tenants never meet.",
    )


def commands(principals: Mapping[str, str], entity: str) -> Iterable[SubjectClass]:
    """Orders of people."""
    whose = {**principals, "somebody": "SOMEBODY"}
    for tenant in TENANTS:
        yield SubjectClass(
            name=f"a command for `{tenant}`",
            action=Action.SAY,
            subjects=tuple(
                Subject(
                    f"smartops-cmd.{tenant}.{name}.v1.{token}.{entity}",
                    frozenset({person}) if tenant == HERE else frozenset(),
                )
                for name in COMMANDS
                for person, token in whose.items()
            ),
            may=OWN_OF_PEOPLE,
            why="A person commands in its own name and tenant; whether it is obeyed is decided "
            "by the service. No service commands.",
        )
    operator = principals["operator"]
    yield SubjectClass(
        name="a command that nobody decides",
        action=Action.SAY,
        subjects=plain(
            f"smartops-cmd.{HERE}.{name}.v1.{token}.{entity}"
            for name in ("house.burn", "agent.promote", "parked.retry", "x.y")
            for token in principals.values()
        ),
        why="No durable takes it: it would lie in its stream for ever, and enough of them would "
        "keep everybody from commanding.",
    )
    yield SubjectClass(
        name="a command with a wildcard for a version or an id",
        action=Action.SAY,
        subjects=tuple(
            Subject(text, frozenset({"operator"}))
            for text in (
                f"smartops-cmd.acme.task.cancel.*.{operator}.{entity}",
                f"smartops-cmd.acme.task.cancel.v1.{operator}.*",
                f"smartops-cmd.acme.task.cancel.v1.{operator}.>",
            )
        ),
        may=OWN_OF_PEOPLE,
        why="The same: who reads it refuses it.",
    )
    yield SubjectClass(
        name="what only looks like a command",
        action=Action.SAY,
        subjects=plain(
            (
                f"smartops-cmd.acme.task.cancel.v1.{operator}",
                f"smartops-cmd.acme.task.cancel.v1.{operator}.{entity}.more",
                f"smartops-cmd.acme.cancel.v1.{operator}.{entity}",
                f"smartops-cmd.acme.a.task.cancel.v1.SOMEBODY.{operator}.{entity}",
                f"smartops-cmd.*.task.cancel.v1.{operator}.{entity}",
                f"smartops-cmd.acme.task.cancel.v1.*.{entity}",
                f"smartops-cmd.acme.task.cancel.v1.>.{entity}",
                f"smartops-cmd.task.cancel.v1.{operator}.{entity}",
                f"smartops.cmd.acme.task.cancel.v1.{operator}.{entity}",
            )
        ),
        why="The principal stands where it stands; a wildcard is nobody.",
    )
    yield SubjectClass(
        name="commands",
        action=Action.HEAR,
        subjects=plain(
            (
                "smartops-cmd.>",
                "smartops-cmd.acme.>",
                "smartops-cmd.globex.>",
                *(f"smartops-cmd.*.{name}.*.*.*" for name in COMMANDS),
                *(f"smartops-cmd.acme.*.*.*.{token}.*" for token in principals.values()),
            )
        ),
        why="Commands are read by pulling one's own durable; people hear events instead.",
    )
