"""A NATS connection on which nothing happens behind our back: we see each line of the server.

A client library reports refusals in the background, some time. Here each batch of attempts ends
with a PING, and the server answers in order: what was not refused before the PONG was let through.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import nkeys  # type: ignore[import-untyped]

from benchmarks.lib.permissions.bus_kinds import Action

__all__ = ["Answer", "Attempt", "Refused", "Wire"]

_VIOLATION = re.compile(
    r'Permissions Violation for (Publish|Subscription) to "([^"]+)"(?: using queue "([^"]+)")?'
)
_ACTIONS = {"publish": Action.SAY, "subscription": Action.HEAR}
_BATCH = 100
_DEADLINE_S = 20.0

Attempt = tuple[Action, str, bytes, str]
"""Action, subject, body, queue group."""


class Answer(NamedTuple):
    """A message that has arrived."""

    subject: str
    reply: str
    data: bytes
    """Headers, if any, and body."""


class Refused(Exception):
    """The server does not have us; its words."""


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._pongs = 0
        self._sid = 0
        self.refused: set[tuple[Action, str, str]] = set()
        """Actions, subjects and queue groups that the server has refused."""
        self.got: list[Answer] = []
        """What has arrived."""
        self.other: list[str] = []
        """What else the server complained of."""

    @classmethod
    async def open(
        cls,
        port: int,
        *,
        seed: str | None = None,
        claims: str | None = None,
        first: Attempt | None = None,
    ) -> Self:
        """Connect.

        Args:
            port: of the server, on loopback.
            seed: to sign with; None: come without a key.
            claims: a public key to come with instead of the seed's own.
            first: sent along with the greeting, before the server can have looked at the key.

        Raises:
            Refused: the server closed the connection.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        wire = cls(reader, writer)
        info = json.loads((await reader.readline()).decode().removeprefix("INFO "))
        options: dict[str, object] = {
            "verbose": False,
            "pedantic": False,
            "headers": True,
            "no_responders": True,
            "lang": "proof",
            "version": "1",
            "protocol": 1,
        }
        if seed is not None:
            pair = nkeys.from_seed(bytearray(seed.encode()))
            signature = base64.urlsafe_b64encode(pair.sign(info.get("nonce", "").encode()))
            options["sig"] = signature.decode().rstrip("=")
            options["nkey"] = claims or pair.public_key.decode()
            pair.wipe()
        writer.write(f"CONNECT {json.dumps(options)}\r\n".encode())
        if first is not None:
            wire._write(first, reply="")
        try:
            await wire.settle()
        except (Refused, ConnectionError):
            await wire.close()
            raise Refused("; ".join(wire.other) or "closed without a word") from None
        return wire

    async def attempt(self, attempts: Sequence[Attempt], inbox: str) -> list[str]:
        """Try each, answers to subjects below `inbox`; returns these, one per attempt."""
        replies = []
        for start in range(0, len(attempts), _BATCH):
            for number, one in enumerate(attempts[start : start + _BATCH], start):
                replies.append(f"{inbox}.{number}")
                self._write(one, replies[-1])
            await self.settle()
        return replies

    async def listen(self, subject: str) -> None:
        """Subscribe for good.

        Raises:
            Refused: that is not permitted.
        """
        self._write((Action.HEAR, subject, b"", ""), reply="", keep=True)
        await self.settle()
        if (Action.HEAR, subject, "") in self.refused:
            raise Refused(f"hear {subject}")

    async def settle(self) -> None:
        """Wait until the server has dealt with everything sent so far.

        Raises:
            Refused: it closed the connection instead.
        """
        self._writer.write(b"PING\r\n")
        wanted = self._pongs + 1
        async with asyncio.timeout(_DEADLINE_S):
            await self._writer.drain()
            while self._pongs < wanted:
                await self._read()

    async def until(self, count: int, enough: Callable[[], bool] = lambda: True) -> bool:
        """Wait for so many messages, and for the right ones; False if they do not come."""
        try:
            async with asyncio.timeout(_DEADLINE_S):
                while len(self.got) < count or not enough():
                    await self._read()
        except TimeoutError:
            return False
        return True

    async def ask(self, subject: str, inbox: str, body: bytes = b"") -> dict[str, object]:
        """One request, and its answer as an object; nothing else may be on its way."""
        self.got.clear()
        self._write((Action.SAY, subject, body, ""), reply=f"{inbox}.ask")
        await self.until(1)
        found: dict[str, object] = json.loads(self.got.pop().data)
        return found

    async def close(self) -> None:
        """Leave."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    def _write(self, attempt: Attempt, reply: str, *, keep: bool = False) -> None:
        action, subject, body, queue = attempt
        if action is Action.SAY:
            reply = f" {reply}" if reply else ""
            self._writer.write(f"PUB {subject}{reply} {len(body)}\r\n".encode() + body + b"\r\n")
            return
        self._sid += 1
        queue = f" {queue}" if queue else ""
        self._writer.write(f"SUB {subject}{queue} {self._sid}\r\n".encode())
        if not keep:
            self._writer.write(f"UNSUB {self._sid}\r\n".encode())

    async def _read(self) -> None:
        line = (await self._reader.readline()).decode()
        if not line:
            raise Refused("; ".join(self.other) or "the server closed the connection")
        verb, _, rest = line.rstrip("\r\n").partition(" ")
        match verb:
            case "PONG":
                self._pongs += 1
            case "PING":
                self._writer.write(b"PONG\r\n")
            case "MSG" | "HMSG":
                words = rest.split()
                data = await self._reader.readexactly(int(words[-1]) + 2)
                # SUBJECT SID [REPLY] [HEADER BYTES] BYTES
                sizes = 2 if verb == "HMSG" else 1
                reply = words[2] if len(words) - sizes > 2 else ""
                self.got.append(Answer(words[0], reply, data[:-2]))
            case "-ERR":
                self._error(rest)
            case _:
                return

    def _error(self, text: str) -> None:
        match = _VIOLATION.search(text)
        if match is None:
            self.other.append(text.strip("'"))
        else:
            self.refused.add((_ACTIONS[match[1].lower()], match[2], match[3] or ""))
