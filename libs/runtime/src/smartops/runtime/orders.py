"""Commands at the door: read strictly, refused by event, naming the field."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from uuid import UUID, uuid5

from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import COMMANDS
from smartops.contracts.errors import Malformed, UnknownVersion
from smartops.contracts.ids import command_key, read_principal
from smartops.contracts.parsing import parse_model
from smartops.contracts.subjects import CommandSubject, Subjects
from smartops.eventstore.results import Already
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import Trigger
from smartops.redact import Finder, blanked
from smartops.runtime.cues import Order
from smartops.runtime.decision import Decision, Refusal
from smartops.runtime.free_texts import with_clean_texts
from smartops.runtime.recording import Cause, Recorder, UnitBuilder, command_stream
from smartops.runtime.unkept import unkept
from smartops.telemetry.traceparent import normal_traceparent

__all__ = ["Keeps", "Orders", "unpack_command"]


class Keeps(Protocol):
    """Keeps what must not be stored as it is, under keys of its own."""

    def fingerprint(self, tenant: str, content: str) -> str:
        """From a digest of a command's bytes to what may be noted of it."""
        ...

    def clean_text(self, tenant: str, text: str) -> str:
        """A reason or a note, fit to be stored."""
        ...

    def cover(self, payload: bytes) -> bytes:
        """Bytes that nobody else can read while they lie parked."""
        ...

    def uncover(self, payload: bytes) -> bytes:
        """What `cover` made, or what was never covered."""
        ...


class Orders:
    """Reads commands of one service and answers those that cannot be obeyed."""

    def __init__(self, store: EventStore, recorder: Recorder, subjects: Subjects) -> None:
        self._store = store
        self._recorder = recorder
        self._subjects = subjects
        self.fingerprint: Callable[[str, str], str] = lambda _tenant, content: content
        """From tenant and digest to what is noted of a command's bytes; with a key, a service whose
        commands hold personal data keeps others from guessing at it."""
        self.finder = Finder()
        """What counts as personal data where nobody keeps it."""
        self.clean_text: Callable[[str, str], str] = self._blank
        """From tenant and text to what of a reason or note may be stored."""
        self.uncover: Callable[[bytes], bytes] = lambda payload: payload
        """Takes a command's bytes that were covered while they lay parked, and others."""
        self._cover: Callable[[bytes], bytes] | None = None

    def keep_with(self, keeper: Keeps) -> None:
        """Have somebody with keys keep what commands hold, instead of leaving it out."""
        self.fingerprint = keeper.fingerprint
        self.clean_text = keeper.clean_text
        self.uncover = keeper.uncover
        self._cover = keeper.cover

    def _blank(self, _tenant: str, text: str) -> str:
        return blanked(text, self.finder)

    async def read(
        self, handler: str, subject: str, raw: bytes, traceparent: str | None = None
    ) -> Order[Any] | None:
        """The command in a message; None when it was refused here, by event.

        Raises:
            Malformed: not even the subject is one of ours, so there is nobody to answer.
            UnknownVersion: a newer version, which a newer process will know.
        """
        where = self._subjects.read_command(subject)
        key = command_key(where.tenant, where.principal, where.name, where.id)
        bare = digest(raw)
        content = self.fingerprint(where.tenant, bare)
        spec = COMMANDS.get(f"{where.name}.v{where.version}")
        if spec is None and any(c.data.name == where.name for c in COMMANDS.values()):
            raise UnknownVersion(f"{where.name} in version {where.version}")
        problem: Refusal | None = None
        data: Any = None
        authtype = ""
        try:
            authtype = read_principal(where.principal)[0]
        except ValueError as error:
            problem = Refusal("malformed", str(error), "subject.principal")
        if spec is None:
            problem = Refusal("unknown_command", f"there is no command {where.name}", "subject")
        elif problem is None:
            try:
                data = with_clean_texts(
                    parse_model(spec.data, raw), partial(self.clean_text, where.tenant)
                )
            except Malformed as error:
                problem = Refusal("malformed", error.reason, error.field)
        order = Order(
            handler=handler,
            tenant=where.tenant,
            principal=where.principal,
            authtype=authtype,
            name=where.name,
            id=where.id,
            key=key,
            content=content,
            bare=bare,
            data=data,
            traceparent=normal_traceparent(traceparent),
        )
        if problem is not None:
            await self.refuse(order, problem)
            return None
        return order

    def cause(self, order: Order[Any], task: UUID | None) -> Cause:
        """The cause of what follows from a command."""
        trigger = Trigger(order.handler, order.key, reason=order.content)
        return Cause(trigger, task, order.traceparent, order)

    async def refuse(self, order: Order[Any], refusal: Refusal) -> None:
        """Answer a command that changes nothing; repeats are answered once."""
        await self._answer(
            Cause(
                Trigger(order.handler, order.key, reason=order.content),
                None,
                order.traceparent,
                order,
            ),
            refusal,
        )

    async def check_reuse(self, order: Order[Any]) -> None:
        """A settled command came again: the same bytes are a repeat, other bytes are refused."""
        settled = await self._store.settled(order.handler, order.key)
        if settled is None or settled.reason in (None, order.content, order.bare):
            return
        # The cause names key and content, so each misuse is answered once.
        cause = Cause(
            Trigger(order.handler, uuid5(order.key, order.content), reason=order.content),
            None,
            order.traceparent,
            order,
        )
        await self._answer(
            cause, Refusal("key_reused", "this command id was used with other content", "id")
        )

    async def park(self, handler: str, subject: str, raw: bytes, reason: str) -> None:
        """Write down a command that was given up, with its subject and bytes: no log holds them."""
        try:
            where: CommandSubject = self._subjects.read_command(subject)
        except Malformed:
            return
        key = command_key(where.tenant, where.principal, where.name, where.id)
        kept: bytes | None = raw
        if self._cover is None:
            kept = unkept(raw, partial(self.clean_text, where.tenant), self.finder)
        payload = None if kept is None else subject.encode() + b"\n" + kept
        if payload is not None and self._cover is not None:
            payload = self._cover(payload)
        if payload is None:
            reason = f"{reason}; it was not kept, and has to be given once more"
        await self._store.park(handler, key, reason, payload, where.tenant)

    async def _answer(self, cause: Cause, refusal: Refusal) -> None:
        order = cause.order
        if order is None:
            raise ValueError("only commands are refused")
        stream = command_stream(order)
        version = 0
        while True:
            builder = UnitBuilder(self._recorder, stream, version, self._store.db_now())
            builder.add(cause, Decision(refusal=refusal))
            result = await self._store.append(builder.unit())
            if isinstance(result, Already) or not hasattr(result, "actual"):
                return
            version = result.actual


def unpack_command(payload: bytes) -> tuple[str, bytes]:
    """Subject and bytes of a command as `Orders.park` wrote them."""
    subject, _, raw = payload.partition(b"\n")
    return subject.decode(), raw
