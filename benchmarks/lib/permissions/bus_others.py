"""Who may use inboxes, acknowledgements, dead letters and the server's own subjects: by hand."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.lib.permissions.bus_facts import CREDENTIALS
from benchmarks.lib.permissions.bus_kinds import (
    OWN_OF_SERVICES,
    Action,
    Right,
    Subject,
    SubjectClass,
    durables,
    plain,
)

__all__ = ["acks", "dead_letters", "inboxes", "nobody"]


def inboxes(entity: str) -> Iterable[SubjectClass]:
    """Answers."""
    yield SubjectClass(
        name="an inbox",
        action=Action.HEAR,
        subjects=tuple(
            Subject(f"_INBOX_{name}.{tail}", frozenset({name}))
            for name in CREDENTIALS
            for tail in (">", entity, "*.*")
        ),
        may=dict.fromkeys(CREDENTIALS, Right.OWN),
        why="Answers are for who asked.",
    )
    yield SubjectClass(
        name="inboxes without an owner, and everything at once",
        action=Action.HEAR,
        subjects=(
            *plain(("_INBOX.>", "_INBOX_.>", f"_INBOX_nobody.{entity}", ">", "*", "*.>")),
            *plain(("*.*", "*.*.>", f"*.{entity}", "*.acme.>", "*.*.*.*.*.*.*")),
            Subject(">", queue="shared"),
        ),
        why="A wildcard would overlap what others may hear.",
    )
    yield SubjectClass(
        name="into an inbox",
        action=Action.SAY,
        subjects=plain(f"_INBOX_{name}.{entity}" for name in (*CREDENTIALS, "nobody")),
        why="The server answers; nobody here does, so a forged answer has no sender.",
    )


def dead_letters() -> Iterable[SubjectClass]:
    """What was given up."""
    yield SubjectClass(
        name="that a message was parked",
        action=Action.SAY,
        subjects=tuple(
            Subject(f"smartops-dlq.{stream}.{durable}", own) for stream, durable, own in durables()
        ),
        may=OWN_OF_SERVICES,
        why="Who pulls a durable tells of what it gave up.",
    )
    yield SubjectClass(
        name="that something else was parked",
        action=Action.SAY,
        subjects=plain(
            (
                "smartops-dlq.SMARTOPS.nobody",
                "smartops-dlq.SMARTOPS_DLQ.policy-plans",
                "smartops-dlq.SMARTOPS_COMMANDS.policy-plans",
                "smartops-dlq.SMARTOPS.policy-plans.more",
                "smartops-dlq.x",
            )
        ),
        why="There is no such durable.",
    )
    yield SubjectClass(
        name="dead letters, and what the server tells of them",
        action=Action.HEAR,
        subjects=plain(
            ("smartops-dlq.>", "$JS.EVENT.>", "$JS.EVENT.ADVISORY.>", "$JS.EVENT.METRIC.>")
        ),
        why="They are read from the inbox of the log; the stream is for an operator's tools.",
    )


def acks() -> Iterable[SubjectClass]:
    """Decisions on deliveries."""
    yield SubjectClass(
        name="an acknowledgement",
        action=Action.SAY,
        subjects=tuple(
            Subject(f"$JS.ACK.{stream}.{durable}.1.999999.999999.1.0", own, b"+ACK")
            for stream, durable, own in durables()
        ),
        may=OWN_OF_SERVICES,
        answered=False,
        why="Who pulls a durable acknowledges; for another's it would lose that one's work.",
    )
    yield SubjectClass(
        name="an acknowledgement of another form or durable",
        action=Action.SAY,
        subjects=plain(
            (
                *(
                    f"$JS.ACK._.hash.{stream}.{durable}.1.1.1.1.0"
                    for stream, durable, _ in durables()
                ),
                "$JS.ACK.SMARTOPS.nobody.1.1.1.1.0",
                "$JS.ACK.SMARTOPS_DLQ.nobody.1.1.1.1.0",
            )
        ),
        why="The form is pinned in the server's configuration; permissions name it.",
    )
    yield SubjectClass(
        name="acknowledgements",
        action=Action.HEAR,
        subjects=plain(
            ("$JS.ACK.>", *(f"$JS.ACK.{stream}.{durable}.>" for stream, durable, _ in durables()))
        ),
        why="They are for the server.",
    )


def nobody(entity: str) -> Iterable[SubjectClass]:
    """What is nobody's of ours."""
    yield SubjectClass(
        name="to the server itself (`$SYS`)",
        action=Action.SAY,
        subjects=plain(
            (
                *("$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.USER.INFO"),
                *("$SYS.REQ.ACCOUNT.STREAMS.CONNZ", "$SYS.REQ.ACCOUNT.PING.STATZ"),
                *("$SYS.REQ.ACCOUNT.STREAMS.JSZ", "$SYS.REQ.CLAIMS.UPDATE"),
                *("$SYS.REQ.SERVER.x.RELOAD", "$SYS.REQ.SERVER.x.KICK", f"$SYS.{entity}"),
            )
        ),
        why="There is no user of the system account.",
    )
    yield SubjectClass(
        name="from the server itself, and requests on their way",
        action=Action.HEAR,
        subjects=plain(
            (
                *("$SYS.>", "$SYS.ACCOUNT.>", "$SYS.SERVER.>", "$SYS.REQ.>", "$JS.>"),
                *("$JS.API.>", "JS.API.>", "JS.>", "$JSC.>", "$NRG.>", "$JS.FC.>", "$KV.>"),
                *("$O.>", "_R_.>", "_GR_.>", "$MQTT.>", "$LDS.>", "$G.>"),
            )
        ),
        why="What crosses here is meant for the server.",
    )
    yield SubjectClass(
        name="in the server's name, and elsewhere",
        action=Action.SAY,
        subjects=plain(
            (
                "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.SMARTOPS.policy-plans",
                "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.SMARTOPS.policy-plans",
                f"$JS.EVENT.ADVISORY.{entity}",
                *("$JS.FC.SMARTOPS.policy-plans.x", f"$JSC.R.{entity}", f"$KV.x.{entity}"),
                *(f"$O.x.C.{entity}", f"_R_.{entity}", f"$MQTT.msgs.{entity}", f"$G.{entity}"),
                *("$JS.API", "JS.API", f"{entity}", f"a.{entity}"),
            )
        ),
        why="A forged advisory would be stored as a dead letter; the rest is nobody's.",
    )
