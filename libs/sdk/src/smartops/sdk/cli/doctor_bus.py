"""Looking at the bus: does it let us in, is all there that should be, and does anybody listen?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
from nats import errors as nats_errors
from nats.aio.client import Client as Nats
from smartops.contracts.catalogue import HANDLERS, HandlerSpec
from smartops.sdk.cli.doctor_bus_judging import (
    COMMANDS,
    DEAD_LETTERS,
    EVENTS,
    PART,
    Consumer,
    judge_account,
    judge_consumers,
    judge_health,
    judge_left_behind,
    judge_refusal,
    judge_streams,
    stream_of,
)
from smartops.sdk.cli.doctor_findings import Finding, problem, warning, well
from smartops.sdk.cli.text import count, one_line
from smartops.sdk.profile import Profile

__all__ = ["look_at_bus"]

_API = "$JS.API"
_MONITOR = "monitor"
_SECONDS = 3.0
_NOT_FOUND = 404


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
    subject = f"{_API}.CONSUMER.INFO.{stream_of(spec)}.{spec.durable}"
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
