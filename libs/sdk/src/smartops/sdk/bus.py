"""The bus as one person may use it: send commands in one's own name, listen to one's own tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from nats import errors as nats_errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.js.errors import APIError, NoStreamResponseError
from smartops.contracts.errors import Malformed
from smartops.sdk.errors import NotSent, Unauthorised, Unreachable
from smartops.sdk.event import Event
from smartops.sdk.profile import Profile
from typing_extensions import override

__all__ = ["Bus", "Inbox"]

_CONNECT_SECONDS = 5.0
_ACK_SECONDS = 2.0
_TRIES = 3
"""Attempts at a server that is not there, and sends of one command.

A command that is sent again counts once: the server drops repeats by message id, the service by
command key.
"""
_POSITION = "Smartops-Position"


class Inbox:
    """Events as they come in. What a lost connection swallowed is not in it: ask the log too."""

    def __init__(self, needle: bytes | None = None) -> None:
        self._needle = needle
        self._arrivals = count()
        self._queue: asyncio.PriorityQueue[tuple[int, int, Msg]] = asyncio.PriorityQueue()

    async def put(self, message: Msg) -> None:
        """Take a message, unless it lacks the needle: searching bytes is cheaper than parsing.

        Messages that wait are handed out in the order of the log. The client library hands over
        each subscription's messages apart: all that one has, then all that the next has, so that
        an approval could come ahead of its plan.
        """
        if self._needle is None or self._needle in message.data:
            self._queue.put_nowait((_position(message) or 0, next(self._arrivals), message))

    async def next(self, seconds: float) -> Event | None:
        """The next event; None when none came in time."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while True:
                    event = _read((await self._queue.get())[2])
                    if event is not None:
                        return event
        except TimeoutError:
            return None

    async def stirred(self, seconds: float) -> None:
        """Return as soon as anything has come in, or when the time is up."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._queue.get()
        except TimeoutError:
            return
        while not self._queue.empty():
            self._queue.get_nowait()

    def empty(self) -> bool:
        """Nothing has come in that was not taken yet."""
        return self._queue.empty()


class _Connection(Nats):
    @override
    async def _process_pong(self) -> None:
        # Its reader fails on a PONG for somebody who has stopped waiting, and ends: the connection
        # then looks alive and is deaf until its pings time out, for a minute.
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()


class Bus:
    """One connection, as one identity."""

    def __init__(self, nats: Nats, complaints: _Complaints) -> None:
        self._nats = nats
        self._js = nats.jetstream()
        self._complaints = complaints

    @classmethod
    async def connect(cls, profile: Profile, name: str) -> Bus:
        """Connect as an identity of the profile.

        Raises:
            NoIdentity: it has no credentials here.
            Unreachable: nobody answers.
            Unauthorised: the server does not accept them.
        """
        nats = _Connection()
        complaints = _Complaints()
        settings: dict[str, Any] = {
            "servers": [profile.nats_url],
            "name": f"smartops-sdk {name}",
            "inbox_prefix": f"_INBOX_{name}",
            "nkeys_seed": str(profile.seed_path(name)),
            "allow_reconnect": True,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.2,
            "error_cb": complaints.hear,
        }
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await nats.connect(**settings)
        except _Rejected as error:
            await nats.close()
            raise Unauthorised("The bus", name) from error
        except (OSError, nats_errors.Error) as error:
            await nats.close()
            reason = complaints.last or str(error) or "no answer"
            raise Unreachable("The bus", profile.nats_url, reason) from error
        complaints.connected = True
        return cls(nats, complaints)

    async def close(self) -> None:
        """Leave."""
        await self._nats.close()

    @property
    def complaint(self) -> str:
        """What the server objected to last, such as a missing permission; empty if nothing."""
        return self._complaints.last

    @asynccontextmanager
    async def listen(
        self, subjects: Iterable[str], *, needle: bytes | None = None
    ) -> AsyncIterator[Inbox]:
        """Receive what is published on these subjects from now on.

        Args:
            subjects: filters.
            needle: keep only messages whose payload holds these bytes.
        """
        inbox = Inbox(needle)
        subscriptions = [
            await self._nats.subscribe(subject, cb=inbox.put) for subject in dict.fromkeys(subjects)
        ]
        try:
            # A round trip: from here on the server knows of our interest, so that whoever reads
            # the log next and then listens misses nothing in between.
            if self._nats.is_connected:
                await self._nats.flush()
            yield inbox
        finally:
            if not self._nats.is_closed:
                for subscription in subscriptions:
                    await subscription.unsubscribe()

    async def send(
        self, subject: str, payload: bytes, *, name: str, message_id: str
    ) -> bool | None:
        """Store a command in its stream.

        Args:
            subject: where to.
            payload: its bytes.
            name: what people call it.
            message_id: by which the server knows a repeat.

        Returns:
            True when it was stored now; False when the server has seen this id before; None when
            no answer came, so that it may be stored or not.

        Raises:
            NotSent: the server answered that it is not stored.
        """
        for _ in range(_TRIES):
            try:
                ack = await self._js.publish(
                    subject,
                    payload,
                    timeout=_ACK_SECONDS,
                    headers={"Nats-Msg-Id": message_id},
                )
            except NoStreamResponseError as error:
                raise NotSent(name, "no command stream is there; are all services up?") from error
            except APIError as error:
                raise NotSent(name, error.description or str(error)) from error
            except (nats_errors.Error, OSError):
                continue
            return not ack.duplicate
        return None


class _Rejected(Exception):
    """The server will not have us."""


class _Complaints:
    """What the server, or its absence, says in passing."""

    def __init__(self) -> None:
        self.last = ""
        self.connected = False
        self._attempts = 0

    async def hear(self, error: Exception) -> None:
        """Take note. What is raised here ends the first connecting, which would go on for ever.

        Later nothing is raised: it would end the client's attempts to reconnect.
        """
        self.last = str(error) or type(error).__name__
        if self.connected:
            return
        if "authorization violation" in self.last.lower():
            raise _Rejected
        if isinstance(error, OSError):
            self._attempts += 1
            if self._attempts >= _TRIES:
                raise error


def _position(message: Msg) -> int | None:
    text = (message.headers or {}).get(_POSITION, "")
    return int(text) if text.isdecimal() else None


def _read(message: Msg) -> Event | None:
    """The event in a message; None for one that is not ours to understand."""
    try:
        return Event.read(message.data, position=_position(message))
    except Malformed:
        return None
