"""Identities, derived by UUIDv5 from what caused them.

A repeated cause cannot make a second task, run or call: the same inputs give the same id in every
process, for ever.
"""

from __future__ import annotations

import base64
import hashlib
from typing import NewType
from uuid import UUID

__all__ = [
    "ActorId",
    "CallId",
    "CommandKey",
    "Principal",
    "RunId",
    "TaskId",
    "Tenant",
    "actor_id",
    "call_id",
    "command_key",
    "delegation_id",
    "event_id",
    "named_id",
    "plan_id",
    "principal",
    "question_about",
    "read_principal",
    "run_id",
    "standing_id",
    "task_id",
    "timer_id",
    "tool_key",
]

Tenant = NewType("Tenant", str)
Principal = NewType("Principal", str)
TaskId = NewType("TaskId", UUID)
RunId = NewType("RunId", UUID)
CallId = NewType("CallId", UUID)
ActorId = NewType("ActorId", UUID)
CommandKey = NewType("CommandKey", UUID)

_ROOT = UUID("5a7b1f6e-0c53-5d8e-9b1a-3f0f6f5c2d11")
"""Namespace of every SmartOps id. Changing it would re-name all history."""

_QUESTION_MAX = 200
"""Characters of a question, as `tool.call.requested` allows them."""

_FREE_BITS = ~(0xF << 76 | 0x3 << 62)
_VERSION_5 = 0x5 << 76 | 0x2 << 62
"""Version and variant of RFC 9562."""


def named_id(*parts: object) -> UUID:
    """A UUID that is a function of its parts; they are joined by a character none may contain."""
    text = "\x1f".join(map(str, parts))
    # What uuid5() does, at half its price: dozens are made for each task.
    hashed = hashlib.sha1(_ROOT.bytes + text.encode(), usedforsecurity=False).digest()
    number = int.from_bytes(hashed[:16], "big")
    return UUID(int=number & _FREE_BITS | _VERSION_5)


def command_key(tenant: str, who: str, name: str, ident: str) -> CommandKey:
    """Cause, inbox key and `cmd-` stream id of a command in one."""
    return CommandKey(named_id("command", tenant, who, name, ident))


def task_id(key: CommandKey) -> TaskId:
    """The task that an `intent.submit` command makes."""
    return TaskId(named_id("task", key))


def plan_id(task: TaskId, number: int) -> UUID:
    """Plan `number` (1-based, counted by the planner alone) of a task."""
    return named_id("plan", task, number)


def run_id(task: TaskId, number: int, grant: int) -> RunId:
    """The run that the `grant`-th grant of a plan allows."""
    return RunId(named_id("run", plan_id(task, number), grant))


def call_id(requester_stream: str, question: str, purpose: str, attempt: int) -> CallId:
    """One tool call. `attempt` rises only after a definite not-applied (or per sample)."""
    return CallId(named_id("call", requester_stream, question, purpose, attempt))


def question_about(prefix: str, step: str, hashed: str) -> str:
    """What a further call about a step is asked as, e.g. `undo/<step>`; `hashed` is its hash.

    Never cut short: two steps that share a question would share its key.
    """
    question = f"{prefix}{step}"
    return question if len(question) <= _QUESTION_MAX else f"{prefix}{hashed}"


def delegation_id(key: CommandKey) -> UUID:
    """The voice that an `approval.delegate` command hands over."""
    return named_id("delegation", key)


def standing_id(key: CommandKey) -> UUID:
    """The standing word that a `standing.give` command gives."""
    return named_id("standing", key)


def tool_key(run: UUID, step: str, purpose: str) -> UUID:
    """The idempotency key sent to the tool: free of attempts, so a retry is the same request."""
    return named_id("tool-key", run, step, purpose)


def event_id(cause: UUID, stream: str, ordinal: int) -> UUID:
    """The id of the `ordinal`-th event that a cause writes to a stream."""
    return named_id("event", cause, stream, ordinal)


def timer_id(stream: str, name: str) -> UUID:
    """A timer is named by its stream and purpose: setting it again moves it."""
    return named_id("timer", stream, name)


def actor_id(tenant: str, name: str) -> ActorId:
    """The actor (a person or a machine account) called `name` in a tenant."""
    return ActorId(named_id("actor", tenant, name))


def principal(issuer: str, subject: str) -> Principal:
    """One subject token naming who holds a credential: base32 of issuer and subject.

    Raises:
        ValueError: one of them holds the separator, so the token could mean another credential.
    """
    if "\x1f" in issuer + subject:
        raise ValueError(f"{issuer!r} and {subject!r} name nobody: they hold a separator")
    raw = f"{issuer}\x1f{subject}".encode()
    return Principal(base64.b32encode(raw).decode().rstrip("=").lower())


def read_principal(token: str) -> tuple[str, str]:
    """The issuer and subject behind a principal token.

    Raises:
        ValueError: the token was not made by `principal`.
    """
    padded = token.upper() + "=" * (-len(token) % 8)
    issuer, separator, subject = base64.b32decode(padded).decode().partition("\x1f")
    if not separator:
        raise ValueError(f"{token!r} names no issuer and subject")
    return issuer, subject
