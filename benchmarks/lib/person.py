"""A person at the bus: commands in their own name, and hears their tenant's events."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

from nats.aio.client import Client
from nats.aio.msg import Msg
from smartops.bus.api import read_answer
from smartops.bus.connection import close, connect
from smartops.bus.users import inbox_prefix
from smartops.contracts.ids import CommandKey, command_key
from smartops.devstack.stack import Stack

__all__ = ["Person"]

Hear = Callable[[Msg], Awaitable[None]]


class Person:
    """One of the stack's local people, over a connection of their own credential.

    Attributes:
        nats: the connection; it reconnects by itself.
    """

    def __init__(self, stack: Stack, name: str, nats: Client) -> None:
        self.nats = nats
        self._subjects = stack.subjects
        self._tenant = stack.options.tenant
        self._principal = stack.principals[name]

    @classmethod
    async def connect(cls, stack: Stack, name: str) -> Self:
        """Connect as `operator`, `approver`, or whoever else the stack knows."""
        nats = await connect(
            stack.nats.url,
            name=name,
            inbox_prefix=inbox_prefix(name),
            seed_path=stack.credentials.directory / f"{name}.nk",
        )
        return cls(stack, name, nats)

    async def close(self) -> None:
        """Leave the bus."""
        await close(self.nats)

    def key(self, name: str, ident: str) -> CommandKey:
        """The key of a command that this person gives under an id."""
        return command_key(self._tenant, self._principal, name, ident)

    async def command(
        self,
        name: str,
        ident: str,
        payload: bytes,
        timeout: float = 10.0,  # noqa: ASYNC109
        *,
        version: int = 1,
    ) -> None:
        """Give a command; returns once its stream has it on disk.

        Raises:
            nats.errors.Error: no answer; whether it was taken is unknown, and saying it again
                under the same id is safe.
            ApiError: the stream refused it.
        """
        subject = self._subjects.command(self._tenant, name, version, self._principal, ident)
        reply = await self.nats.request(subject, payload, timeout=timeout)
        read_answer(subject, reply.data)

    async def approve(self, task: str, required: dict[str, Any], ident: str) -> None:
        """Approve a plan by the hashes that `task.approval.required` names."""
        vote = {
            "task": task,
            "plan_hash": required["plan_hash"],
            "assessment_hash": required["assessment_hash"],
            "decision": "approve",
        }
        await self.command("approval.decide", ident, json.dumps(vote).encode())

    async def hear(self, topic: str, callback: Hear) -> None:
        """Be told each event of a topic, as long as the connection holds."""
        await self.nats.subscribe(
            self._subjects.event_filter(topic, tenant=self._tenant), cb=callback
        )
