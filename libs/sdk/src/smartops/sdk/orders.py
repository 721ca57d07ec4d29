"""Sending a command, and waiting for what it brings about.

The wait listens before it sends, and asks the log when the bus stays silent: so an answer that
came too early, or that the bus dropped, is found all the same. It also sends again, under the same
id, so that a command comes back that was lost with its stream.
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from uuid import UUID, uuid4

from smartops.contracts.canonical import canonical
from smartops.contracts.events import CommandAnswered, CommandRefused
from smartops.contracts.ids import CommandKey, command_key
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import CommandData
from smartops.sdk.bus import Bus
from smartops.sdk.effects import Effect
from smartops.sdk.errors import BadId, NotSent, Refused, Unknown, Unreachable
from smartops.sdk.event import Event
from smartops.sdk.reader import Reader

__all__ = ["Order", "Orders", "payload"]

_IDENT = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What one token of a subject may be made of."""
_FIRST_LOOK = 1.0
"""Seconds of silence before the log is asked; doubled each time, up to `_LONGEST_LOOK`."""
_LONGEST_LOOK = 8.0
_MORE_TO_COME = 0.5
"""Seconds to wait after a first effect for the final one of the same commit."""


class Order:
    """A command on its way, under the key that makes it count once.

    Raises:
        BadId: it cannot be called so.
    """

    def __init__(
        self, tenant: str, principal: str, command: CommandData, ident: str | None
    ) -> None:
        if ident is not None and not _IDENT.fullmatch(ident):
            # A subject that is none gets no answer: it would look as if the bus were silent.
            raise BadId(ident)
        self.command = command
        self.id = ident if ident is not None else uuid4().hex
        self.key: CommandKey = command_key(tenant, principal, command.name, self.id)


class Orders:
    """Gives orders in one person's name."""

    def __init__(self, bus: Bus, reader: Reader, subjects: Subjects, principal: str) -> None:
        self._bus = bus
        self._reader = reader
        self._subjects = subjects
        self._tenant = reader.tenant
        self._principal = principal

    def order(self, command: CommandData, ident: str | None) -> Order:
        """A command under an id; None makes a new one."""
        return Order(self._tenant, self._principal, command, ident)

    async def store(self, order: Order, task: UUID) -> None:
        """Return once the command is stored.

        Raises:
            NotSent: the server answered that it is not.
            Unknown: the server did not answer.
        """
        if await self._send(order) is None:
            raise self._unknown(order, task, stored=None, patience=None)

    async def carry_out(
        self,
        order: Order,
        task: UUID,
        effect: Effect,
        patience: timedelta,
        *,
        call: UUID | None = None,
        where: str | None = None,
    ) -> tuple[Event, bool]:
        """Send a command and wait until its effect shows.

        Args:
            order: the command.
            task: what it is about; its own key where it is about no task.
            effect: by which it shows.
            patience: how long to wait.
            call: which of the task's calls it is about, if it is about one.
            where: the stream in which it shows, where that is of no task.

        Returns:
            The event that shows it, and whether somebody else had brought it about before.

        Raises:
            Refused: the deciding service said no.
            NotSent: the command was not stored.
            Unknown: neither effect nor refusal in time.
        """
        wait = _Wait(order, task, effect, self._reader, call, where)
        deadline = _now() + patience.total_seconds()
        async with self._bus.listen(self._filters(order, call or task, effect)) as inbox:
            stored = await self._send(order)
            # A repeat may have been answered long ago: look at once.
            pause = 0.0 if stored is False else _FIRST_LOOK
            while (left := deadline - _now()) > 0:
                event = await inbox.next(min(left, wait.grace(pause)))
                if event is not None:
                    wait.hear(event)
                elif not wait.heard:
                    await wait.look()
                    if pause > _FIRST_LOOK:
                        again = await self._say_again(order, deadline - _now())
                        stored = stored if again is None else again
                    pause = min(max(2 * pause, _FIRST_LOOK), _LONGEST_LOOK)
                if wait.found is not None and (wait.final or event is None):
                    return wait.found, wait.already
        if wait.found is not None:
            return wait.found, wait.already
        raise self._unknown(order, task, stored=stored, patience=patience)

    async def _say_again(self, order: Order, seconds: float) -> bool | None:
        """Nothing is heard of it: the stream that took it may be gone, with all that waited there.

        A stream that still knows the message drops the repeat, a service that has decided it
        does so by its key.
        """
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await self._send(order)
        except (NotSent, TimeoutError):
            return None  # What was stored before may yet be decided.

    async def _send(self, order: Order) -> bool | None:
        command = order.command
        subject = self._subjects.command(
            self._tenant, command.name, command.schema_version, self._principal, order.id
        )
        return await self._bus.send(
            subject, payload(command), name=command.name, message_id=str(order.key)
        )

    def _filters(self, order: Order, entity: UUID, effect: Effect) -> list[str]:
        return [
            *(
                self._subjects.event_filter(
                    answer.topic, tenant=self._tenant, entity=str(order.key)
                )
                for answer in (CommandRefused, CommandAnswered)
            ),
            *(
                self._subjects.event_filter(topic, tenant=self._tenant, entity=str(entity))
                for topic in effect.shows
            ),
        ]

    def _unknown(
        self, order: Order, task: UUID, *, stored: bool | None, patience: timedelta | None
    ) -> Unknown:
        name = order.command.name
        if stored is None:
            what = f"The bus did not confirm {name}: it may be stored or not"
        else:
            seconds = patience.total_seconds() if patience is not None else 0
            what = (
                f"{name} is stored, but nothing was heard of it for {seconds:g} s; its service may "
                "be down"
            )
        if self._bus.complaint:
            what += f" (the bus said: {self._bus.complaint})"
        about = None if task == order.key else task
        look = "`smartops parked`" if about is None else f"`smartops task {about}`"
        return Unknown(
            what,
            find_out=f"{look}; or send it again with `--id {order.id}`, which counts once.",
            task=about,
        )


class _Wait:
    """What was heard so far of one order."""

    def __init__(
        self,
        order: Order,
        task: UUID,
        effect: Effect,
        reader: Reader,
        call: UUID | None,
        where: str | None,
    ) -> None:
        self._order = order
        self._where = where
        self._task = task
        self._effect = effect
        self._reader = reader
        self._call = call
        self._looks = 0
        self.found: Event | None = None
        self.already = False

    @property
    def heard(self) -> bool:
        """An effect was seen, though not the final one perhaps."""
        return self.found is not None

    @property
    def final(self) -> bool:
        """Nothing further is to be expected."""
        return self.found is not None and self.found.name not in self._effect.provisional

    def grace(self, pause: float) -> float:
        """Seconds to wait for the next event."""
        return _MORE_TO_COME if self.heard else pause

    def hear(self, event: Event) -> None:
        """Take note of an event.

        Raises:
            Refused: it is the refusal.
        """
        own = event.cause == self._order.key
        if isinstance(event.data, CommandRefused) and event.data.command == self._order.key:
            raise Refused(event.data.code, event.data.message, field=event.data.field)
        if isinstance(event.data, CommandAnswered) and event.data.command == self._order.key:
            self.found, self.already = event, True
            return
        if not self._concerns(event):
            return
        if event.name in self._effect.shows and (own or not self._effect.own_only):
            self.found = event if self.found is None or not self.final else self.found
            # What settles a call follows from the very command that said so, or from another's;
            # word of the latter may come late.
            self.already = self._call is not None and self.found.cause != self._order.key

    def _concerns(self, event: Event) -> bool:
        """Whether it is about the call in question, where only one of a task's calls is."""
        return self._call is None or getattr(event.data, "call", None) == self._call

    async def look(self) -> None:
        """Ask the log; that it cannot be asked now is no answer either.

        Raises:
            Refused: the log holds the refusal.
        """
        self._looks += 1
        try:
            for event in await self._reader.caused(self._order.key, self._task, self._where):
                self.hear(event)
            # Only at the second look: until then the command may just not have been decided yet.
            if self.found is None and not self._effect.own_only and self._looks > 1:
                events = await self._reader.events(self._task)
                self.found = self._effect.standing(filter(self._concerns, events))
                self.already = self.found is not None
        except Unreachable:
            return


def payload(command: CommandData) -> bytes:
    """The bytes of a command: canonical, so that the same command has the same content digest."""
    return canonical(command.model_dump(mode="json"))


def _now() -> float:
    return asyncio.get_running_loop().time()
