"""Looking at the bus: does it let us in, is all there that should be, and does anybody listen?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
from nats import errors as nats_errors
from nats.aio.client import Client as Nats
from smartops.contracts.catalogue import HANDLERS, HandlerSpec
from smartops.sdk.cli.doctor_findings import Finding, in_words, problem, warning, well
from smartops.sdk.cli.text import count, one_line
from smartops.sdk.profile import Profile

__all__ = [
    "COMMANDS",
    "DEAD_LETTERS",
    "EVENTS",
    "Consumer",
    "judge_account",
    "judge_consumers",
    "judge_health",
    "judge_left_behind",
    "judge_refusal",
    "judge_streams",
    "look_at_bus",
]

PART = "bus"

EVENTS = "SMARTOPS"
COMMANDS = "SMARTOPS_COMMANDS"
DEAD_LETTERS = "SMARTOPS_DLQ"
ACCOUNT = "PEOPLE"
"""Where people's credentials belong; see ADR 16."""

MANY = 10_000
"""Messages that wait for one handler, from which it is behind rather than busy."""

_API = "$JS.API"
_MONITOR = "monitor"
_SECONDS = 3.0
_NOT_FOUND = 404
_PROVISION = "Run the provisioner (`smartops up` does): it makes what is missing."


@dataclass(frozen=True, slots=True)
class Consumer:
    """How a durable stands."""

    pending: int
    """Messages that wait."""
    waiting: int
    """Requests for messages that stand: 0 when nobody pulls."""
    in_hand: int = 0
    """Messages that somebody works on."""


async def look_at_bus(profile: Profile, identity: str) -> list[Finding]:
    """Connect as the person, then look around as the monitor, whose credential may be missing."""
    seed = profile.home / "credentials" / f"{identity}.nk"
    refused, account = await _as_person(profile, identity, seed)
    ill = judge_health(await asyncio.to_thread(_health, profile.monitor_url))
    if refused is not None:
        return [refused, *ill]
    found = judge_account(identity, account)
    if not found:
        where = f", account {account}" if account else ""
        found.append(well(PART, "connected", f"{profile.nats_url} lets {identity} in{where}"))
    found += ill
    watcher = profile.home / "credentials" / f"{_MONITOR}.nk"
    if not watcher.is_file():
        text = f"streams and consumers were not looked at: {watcher} is not there"
        advice = "Ask whoever runs the bus, or put the monitor's credential there."
        return [*found, warning(PART, "not_looked_at", text, advice)]
    return [*found, *await _as_monitor(profile, watcher)]


def judge_refusal(url: str, identity: str, error: Exception) -> Finding:
    """Why we could not connect."""
    said = one_line(in_words(error))
    if "authorization" in said.lower():
        text = f"{url} does not let {identity} in: its credential is not known there"
        advice = "It belongs to another installation or was withdrawn: name the right --home."
        return problem(PART, "refused", text, advice)
    text = f"{url} does not answer ({said})"
    return problem(PART, "unreachable", text, "Start it (`smartops up`), or mend nats_url.")


def judge_account(identity: str, account: str | None) -> list[Finding]:
    """Whether a person's credential lives where persons live; None: nobody could say."""
    if account is None or account == ACCOUNT:
        return []
    text = f"{identity} is in account {account}, not {ACCOUNT}: commands would reach nobody"
    advice = "Render the server's configuration anew: `smartops up` does, for a local one."
    return [problem(PART, "account", text, advice)]


def judge_health(error: str | None) -> list[Finding]:
    """What the server says of its own health; None: nothing is wrong, or it cannot be asked."""
    if error is None:
        return []
    text = f"the bus runs and does not work: {one_line(error)}"
    advice = (
        "Make room on the disk of its store. A stream that has failed to write stays closed until"
        " the server is restarted: `smartops up` does that by itself once there is room."
    )
    return [problem(PART, "unhealthy", text, advice)]


def judge_streams(found: Mapping[str, int | None]) -> list[Finding]:
    """Whether streams are there, and dead letters in them.

    Args:
        found: messages by stream; None for one that is missing.
    """
    judged = [
        problem(PART, "no_stream", f"stream {name} is missing", _PROVISION)
        for name, messages in found.items()
        if messages is None
    ]
    dead = found.get(DEAD_LETTERS)
    if dead:
        text = f"{count(dead, 'dead letter')} in {DEAD_LETTERS}, of the last 30 days"
        advice = "See `smartops parked` for those that still wait, with the reason of each."
        judged.append(warning(PART, "dead_letters", text, advice))
    return judged


def judge_left_behind(
    first_before: int, after: Mapping[str, int], found: Iterable[Consumer | None]
) -> list[Finding]:
    """Whether commands lie in their stream that have all been decided.

    Args:
        first_before: place of the first command, before the consumers were looked at.
        after: `messages` and `first_seq` of the stream, after that.
        found: all consumers of commands.
    """
    idle = all(one is not None and not one.pending and not one.in_hand for one in found)
    if not after["messages"] or after["first_seq"] != first_before or not idle:
        return []
    text = f"{count(after['messages'], 'command')} in {COMMANDS}, decided and not removed"
    advice = (
        "They do no harm: a disk was full when they were to go. To be rid of them:"
        f" `nats stream purge {COMMANDS}` while nobody gives commands."
    )
    return [warning(PART, "left_behind", text, advice)]


def judge_consumers(found: Mapping[HandlerSpec, Consumer | None]) -> list[Finding]:
    """Whether each handler's consumer is there, and somebody pulls it."""
    judged: list[Finding] = []
    idle: dict[str, dict[str, int]] = {}
    for spec, consumer in found.items():
        service = spec.service
        if consumer is None:
            text = f"consumer {spec.durable} of {_stream(spec)} is missing: {service} is not woken"
            judged.append(problem(PART, "no_consumer", text, _PROVISION))
        elif not consumer.waiting:
            idle.setdefault(service, {})[spec.durable] = consumer.pending
        elif consumer.pending > MANY:
            text = f"{count(consumer.pending, 'message')} behind at {spec.durable}"
            advice = f"Run more processes of {service}, or see what slows it: its /metrics page."
            judged.append(warning(PART, "behind", text, advice))
    return judged + [_idle(service, pending) for service, pending in idle.items()]


def _idle(service: str, pending: Mapping[str, int]) -> Finding:
    """Consumers of a service that nobody pulls: bad as soon as something waits in one."""
    advice = f"Start {service}; if it runs, its /ready page says why it does not pull."
    waits = {durable: messages for durable, messages in pending.items() if messages}
    if not waits:
        text = f"nobody pulls {', '.join(pending)}; nothing waits there yet"
        return warning(PART, "nobody_listens", text, advice)
    told = ", ".join(f"{messages:,} for {durable}" for durable, messages in waits.items())
    text = f"messages wait, and nobody pulls: {told}"
    return problem(PART, "nobody_pulls", text, advice)


# ---- looking -------------------------------------------------------------------------------------


async def _as_person(
    profile: Profile, identity: str, seed: Path
) -> tuple[Finding | None, str | None]:
    try:
        connection = await _connect(profile, identity, seed)
    except (OSError, nats_errors.Error, ValueError) as error:
        return judge_refusal(profile.nats_url, identity, error), None
    try:
        return None, await asyncio.to_thread(_account, profile.monitor_url, connection.client_id)
    finally:
        await connection.close()


async def _as_monitor(profile: Profile, seed: Path) -> list[Finding]:
    try:
        connection = await _connect(profile, _MONITOR, seed)
    except (OSError, nats_errors.Error, ValueError) as error:
        return [judge_refusal(profile.nats_url, _MONITOR, error)]
    try:
        states = {name: await _state(connection, name) for name in (EVENTS, COMMANDS, DEAD_LETTERS)}
        consumers = {spec: await _consumer(connection, spec) for spec in HANDLERS}
        left = await _state(connection, COMMANDS)
    except (nats_errors.Error, OSError) as error:
        text = f"JetStream does not answer ({one_line(str(error) or type(error).__name__)})"
        advice = "See the bus's own log: its disk may be full, or it may still be starting."
        return [problem(PART, "no_answer", text, advice)]
    finally:
        await connection.close()
    streams = {name: None if it is None else it["messages"] for name, it in states.items()}
    judged = _judge(streams, consumers)
    before = states[COMMANDS]
    if before is not None and left is not None:
        of_commands = [one for spec, one in consumers.items() if spec.commands]
        judged += judge_left_behind(before["first_seq"], left, of_commands)
    return judged


def _judge(
    streams: Mapping[str, int | None], consumers: Mapping[HandlerSpec, Consumer | None]
) -> list[Finding]:
    judged = [*judge_streams(streams), *judge_consumers(consumers)]
    if not judged:
        text = f"{count(len(streams), 'stream')}, {count(len(consumers), 'consumer')}, all pulled"
        judged.append(well(PART, "provisioned", text))
    return judged


async def _consumer(connection: Nats, spec: HandlerSpec) -> Consumer | None:
    subject = f"{_API}.CONSUMER.INFO.{_stream(spec)}.{spec.durable}"
    answer = await _ask(connection, subject)
    if answer is None:
        return None
    pending, waiting, in_hand = (
        int(answer.get(name, 0)) for name in ("num_pending", "num_waiting", "num_ack_pending")
    )
    return Consumer(pending, waiting, in_hand)


async def _state(connection: Nats, name: str) -> dict[str, int] | None:
    """`messages` and `first_seq` of a stream; None if it is not there."""
    answer = await _ask(connection, f"{_API}.STREAM.INFO.{name}")
    if answer is None:
        return None
    return {key: int(answer["state"][key]) for key in ("messages", "first_seq")}


def _stream(spec: HandlerSpec) -> str:
    return COMMANDS if spec.commands else EVENTS


async def _ask(connection: Nats, subject: str) -> dict[str, Any] | None:
    """The answer; None if what was asked for is not there."""
    reply = await connection.request(subject, b"", timeout=_SECONDS)
    answer: dict[str, Any] = json.loads(reply.data)
    error = answer.get("error")
    if error is None:
        return answer
    if error.get("code") == _NOT_FOUND:
        return None
    raise nats_errors.Error(str(error.get("description", error)))


async def _connect(profile: Profile, name: str, seed: Path) -> Nats:
    complaints: list[Exception] = []

    async def hear(error: Exception) -> None:
        complaints.append(error)

    try:
        return await asyncio.wait_for(
            nats.connect(
                profile.nats_url,
                name=f"smartops doctor {name}",
                nkeys_seed=str(seed),
                inbox_prefix=f"_INBOX_{name}".encode(),
                allow_reconnect=False,
                connect_timeout=2,
                reconnect_time_wait=0.1,
                max_reconnect_attempts=1,
                error_cb=hear,
            ),
            _SECONDS,
        )
    except (TimeoutError, OSError, nats_errors.Error) as error:
        raise next(iter(_refusals(complaints)), error) from error


def _refusals(complaints: Sequence[Exception]) -> list[Exception]:
    """What the server itself said: more telling than that no connection came about."""
    return [error for error in complaints if isinstance(error, nats_errors.Error | OSError)]


def _health(monitor_url: str | None) -> str | None:
    """What the server's health page complains about; None if nothing, or it cannot be asked."""
    if not monitor_url:
        return None
    try:
        with urlopen(f"{monitor_url}/healthz", timeout=_SECONDS):  # noqa: S310 - the same
            return None
    except HTTPError as answer:
        with answer, suppress(OSError, ValueError, AttributeError):
            return str(json.loads(answer.read()).get("error", answer.reason))
        return str(answer.reason)
    except OSError:
        return None


def _account(monitor_url: str | None, client: int | None) -> str | None:
    """The account of a connection, as the server's own page tells; None if it cannot be asked."""
    if not monitor_url or client is None:
        return None
    try:
        with urlopen(f"{monitor_url}/connz?cid={client}&auth=true", timeout=_SECONDS) as reply:  # noqa: S310 - from our own profile
            connections = json.load(reply)["connections"]
            return str(connections[0]["account"]) if connections else None
    except (OSError, ValueError, KeyError):
        return None
