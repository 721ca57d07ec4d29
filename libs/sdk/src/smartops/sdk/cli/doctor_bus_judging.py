"""Judging the bus: what was seen of its streams and consumers, and what is bad about that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smartops.contracts.catalogue import HandlerSpec
from smartops.sdk.cli.doctor_findings import Finding, in_words, problem, warning
from smartops.sdk.cli.text import count, one_line

__all__ = [
    "COMMANDS",
    "DEAD_LETTERS",
    "EVENTS",
    "PART",
    "Consumer",
    "judge_account",
    "judge_consumers",
    "judge_health",
    "judge_left_behind",
    "judge_refusal",
    "judge_streams",
    "stream_of",
]

PART = "bus"

EVENTS = "SMARTOPS"
COMMANDS = "SMARTOPS_COMMANDS"
DEAD_LETTERS = "SMARTOPS_DLQ"
ACCOUNT = "PEOPLE"
"""Where people's credentials belong; see ADR 16."""

MANY = 10_000
"""Messages that wait for one handler, from which it is behind rather than busy."""

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
            text = (
                f"consumer {spec.durable} of {stream_of(spec)} is missing: {service} is not woken"
            )
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


def stream_of(spec: HandlerSpec) -> str:
    """Where a handler's messages lie."""
    return COMMANDS if spec.commands else EVENTS
