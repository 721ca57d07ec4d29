"""Hears every message that the streams store, and publishes it again as it was."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from smartops.contracts.catalogue import families
from smartops.contracts.subjects import Subjects

__all__ = ["Echo"]

MESSAGE_ID = "Nats-Msg-Id"
_WITH_ID = 0.25
"""Share of repeats that keep their message id: the server itself drops those, for two minutes."""
_FLUSH_EVERY = 200


class Heard(NamedTuple):
    """One message."""

    subject: str
    payload: bytes
    headers: Mapping[str, str]
    kind: str
    """event or command."""


class Echo:
    """Repeats messages: several times, out of order, with and without their message id.

    Args:
        nats: of a superuser; it must not hear itself.
        subjects: of the stack.
        seed: of the order, and of how often what is repeated.
    """

    def __init__(self, nats: Client, subjects: Subjects, seed: int) -> None:
        self._nats = nats
        self._subjects = subjects
        self._random = random.Random(seed)
        self._told = 0
        self.heard: list[Heard] = []
        self.repeats: Counter[str] = Counter()
        """Messages published again, by kind and by whether they kept their id."""

    async def listen(self) -> None:
        """Hear everything from now on."""
        for subject in self._subjects.all_events(families()):
            await self._nats.subscribe(subject, cb=self._hear_event)
        await self._nats.subscribe(self._subjects.all_commands(), cb=self._hear_command)
        await self._nats.flush()

    async def repeat_new(self, times: int, older: int) -> int:
        """Repeat what was heard since the last time, with some that is older.

        Args:
            times: at most so often each.
            older: so many of the earlier messages as well.

        Returns:
            how many messages were published.
        """
        fresh, self._told = self.heard[self._told :], len(self.heard)
        earlier = self.heard[: self._told - len(fresh)]
        chosen = [*fresh, *self._random.sample(earlier, min(older, len(earlier)))]
        return await self._repeat(chosen, times)

    async def repeat_all(self, times: int) -> int:
        """Repeat everything, in any order; returns how many messages were published."""
        return await self._repeat(self.heard, times)

    async def _repeat(self, chosen: Sequence[Heard], times: int) -> int:
        said = [message for message in chosen for _ in range(self._random.randint(1, times))]
        self._random.shuffle(said)
        for number, message in enumerate(said):
            headers = dict(message.headers)
            kept = "kept" if self._random.random() < _WITH_ID and MESSAGE_ID in headers else "none"
            if kept == "none":
                headers.pop(MESSAGE_ID, None)
            self.repeats[f"{message.kind}, message id {kept}"] += 1
            await self._nats.publish(message.subject, message.payload, headers=headers or None)
            if number % _FLUSH_EVERY == 0:
                await self._nats.flush(timeout=60)
        await self._nats.flush(timeout=60)
        return len(said)

    async def _hear_event(self, message: Msg) -> None:
        self._note(message, "event")

    async def _hear_command(self, message: Msg) -> None:
        self._note(message, "command")

    def _note(self, message: Msg, kind: str) -> None:
        headers = dict(message.headers or {})
        self.heard.append(Heard(message.subject, message.data, headers, kind))
