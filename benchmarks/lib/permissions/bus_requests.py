"""Who may ask JetStream for what: every request of the server, by hand, from the design."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.lib.permissions.bus_facts import LOGGED, MONITOR, PROVISIONER, STREAMS
from benchmarks.lib.permissions.bus_kinds import (
    OWN_OF_SERVICES,
    Action,
    Right,
    Subject,
    SubjectClass,
    durables,
    plain,
)

__all__ = ["keeper_requests", "service_requests"]

_BOTH_KEEPERS = {PROVISIONER: Right.ALL, MONITOR: Right.ALL}
_PULL = b'{"batch":1,"no_wait":true}'


def service_requests() -> Iterable[SubjectClass]:
    """Below `JS.API`, which only the account of the services imports."""
    yield SubjectClass(
        name="`JS.API`: pull a durable",
        action=Action.SAY,
        subjects=tuple(
            Subject(f"JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}", own, _PULL)
            for stream, durable, own in durables()
        ),
        may=OWN_OF_SERVICES,
        why="One's own work and nobody else's.",
    )
    yield SubjectClass(
        name="`JS.API`: state of a durable",
        action=Action.SAY,
        subjects=tuple(
            Subject(f"JS.API.CONSUMER.INFO.{stream}.{durable}", own, b"")
            for stream, durable, own in durables()
        ),
        may=OWN_OF_SERVICES,
        why="To notice that one's own durable is gone.",
    )
    yield SubjectClass(
        name="`JS.API`: state of the event stream",
        action=Action.SAY,
        subjects=(Subject("JS.API.STREAM.INFO.SMARTOPS", body=b""),),
        may=dict.fromkeys(LOGGED, Right.ALL),
        why="Whether it is new or shorter than remembered; audit's announcements are not repeated.",
    )
    yield SubjectClass(
        name="`JS.API`: one event of the stream, by its place",
        action=Action.SAY,
        subjects=(Subject("JS.API.STREAM.MSG.GET.SMARTOPS", body=b'{"seq":1}'),),
        may=dict.fromkeys(LOGGED, Right.ALL),
        why="Whether the stream still holds what was published; they may read the log anyway.",
    )
    yield SubjectClass(
        name="`JS.API`: anything else",
        action=Action.SAY,
        subjects=plain(
            f"JS.API.{call}"
            for call in _calls()
            if call not in {"STREAM.INFO.SMARTOPS", "STREAM.MSG.GET.SMARTOPS"}
            and not call.startswith(("CONSUMER.MSG.NEXT.", "CONSUMER.INFO."))
        ),
        why="Services bind to what the provisioner made.",
    )


def keeper_requests() -> Iterable[SubjectClass]:
    """Below `$JS.API`, in the account of the streams."""

    def requests(*calls: str) -> tuple[Subject, ...]:
        return plain(f"$JS.API.{call}" for call in calls)

    pairs = [f"{stream}.{durable}" for stream, durable, _ in durables()]
    told = ("INFO", "STREAM.NAMES", *(f"CONSUMER.NAMES.{stream}" for stream in STREAMS))
    states = (
        *(f"STREAM.INFO.{stream}" for stream in STREAMS),
        *(f"CONSUMER.INFO.{pair}" for pair in pairs),
    )
    makes = (
        *(f"STREAM.{verb}.{stream}" for stream in STREAMS for verb in ("CREATE", "UPDATE")),
        *(f"CONSUMER.CREATE.{pair}" for pair in pairs),
    )
    foreign = ("STREAM.INFO.OTHER", "CONSUMER.NAMES.OTHER", "CONSUMER.INFO.SMARTOPS.other")
    yield SubjectClass(
        name="`$JS.API`: which streams and durables there are",
        action=Action.SAY,
        subjects=requests(*told),
        may=_BOTH_KEEPERS,
        why="The provisioner compares and names what nobody declared; the monitor watches.",
    )
    yield SubjectClass(
        name="`$JS.API`: state of a declared stream or durable",
        action=Action.SAY,
        subjects=requests(*states),
        may=_BOTH_KEEPERS,
        why="The provisioner compares, the monitor watches; neither reads a message.",
    )
    yield SubjectClass(
        name="`$JS.API`: state of others",
        action=Action.SAY,
        subjects=requests(*foreign),
        may={MONITOR: Right.ALL},
        why="A stream nobody declared fills the disk as well: the monitor sees it.",
    )
    yield SubjectClass(
        name="`$JS.API`: make a declared stream or durable",
        action=Action.SAY,
        subjects=requests(*makes),
        may={PROVISIONER: Right.ALL},
        why="The only holder of CREATE and UPDATE, for what is declared.",
    )
    known = {*told, *states, *makes, *foreign}
    yield SubjectClass(
        name="`$JS.API`: anything else",
        action=Action.SAY,
        subjects=requests(*(call for call in _calls() if call not in known)),
        why="Deleting, purging, reading single messages, pausing, snapshots, moving leaders: "
        "nobody's daily work, so no credential that runs daily can do it.",
    )


def _calls() -> tuple[str, ...]:
    """Every JetStream request of the server, on each of our streams and durables and on others."""
    pairs = [*(f"{stream}.{durable}" for stream, durable, _ in durables()), "SMARTOPS.other"]
    streams = (*STREAMS, "OTHER")
    return (
        *("INFO", "STREAM.NAMES", "STREAM.LIST", "ACCOUNT.INFO", "ACCOUNT.PURGE.STREAMS"),
        *("META.LEADER.STEPDOWN", "SERVER.REMOVE", "TEMPLATE.NAMES", "TEMPLATE.CREATE.x"),
        *(f"STREAM.{verb}.{stream}" for stream in streams for verb in _STREAM_VERBS),
        *(f"DIRECT.GET.{stream}" for stream in streams),
        *(f"DIRECT.GET.{stream}.smartops.acme.task.planned.v1.-.x" for stream in streams),
        *(f"CONSUMER.{verb}.{stream}" for stream in streams for verb in _CONSUMERS_VERBS),
        *(f"CONSUMER.{verb}.{pair}" for pair in pairs for verb in _CONSUMER_VERBS),
        *(f"CONSUMER.CREATE.{pair}.smartops.acme.>" for pair in pairs),
        *(f"CONSUMER.CREATE.{stream}.mine" for stream in streams),
        *(f"CONSUMER.DURABLE.CREATE.{stream}.mine" for stream in streams),
    )


_STREAM_VERBS = (
    *("CREATE", "UPDATE", "DELETE", "PURGE", "INFO", "SNAPSHOT", "RESTORE", "MSG.GET"),
    *("MSG.DELETE", "LEADER.STEPDOWN", "PEER.REMOVE"),
)
_CONSUMERS_VERBS = ("CREATE", "NAMES", "LIST")
_CONSUMER_VERBS = (
    *("CREATE", "DURABLE.CREATE", "DELETE", "INFO", "PAUSE", "MSG.NEXT", "UNPIN", "RESET"),
    "LEADER.STEPDOWN",
)
