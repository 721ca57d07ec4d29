"""Requests that are no requests: bytes that no service of ours would have written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from smartops.contracts.events import ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.eventstore import NewEvent

from benchmarks.lib.hostile.adversary import Adversary
from benchmarks.lib.hostile.attack import Attack
from benchmarks.lib.hostile.drafts import Case
from benchmarks.lib.hostile.scenes import Scene

__all__ = ["GARBLINGS", "Garbled"]

Garbling = Callable[[dict[str, Any], Random], bytes]
"""From an event, taken apart, and a random source to the bytes that are stored."""

_CODES = frozenset({"step_mismatch", "call_mismatch", "attempt_not_due"})
"""Of what can be read after all."""


def _text(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))


def _not_a_number(event: dict[str, Any], random: Random) -> bytes:
    event["data"] |= {"arguments": {"asset": "web-01", "n": 0}, "target": "web-01x"}
    bad = random.choice(("NaN", "Infinity", "-Infinity", "1e999"))
    return _text(event).replace('"n":0', f'"n":{bad}').encode()


def _key_twice(event: dict[str, Any], random: Random) -> bytes:
    """Who reads the first sees what was approved; who reads the last, what was not."""
    target = event["data"]["target"]
    name, bad = random.choice((("tool", "drain_server"), ("target", f"{target}-x")))
    honest = json.dumps({name: event["data"][name]})[1:-1].replace(": ", ":")
    return _text(event).replace(honest, f"{honest},{json.dumps({name: bad})[1:-1]}", 1).encode()


def _cut_short(event: dict[str, Any], random: Random) -> bytes:
    text = _text(event)
    return text[: random.randint(len(text) // 2, len(text) - 1)].encode()


def _of_wrong_type(event: dict[str, Any], random: Random) -> bytes:
    name, bad = random.choice(
        (
            ("attempt", "1"),
            ("attempt", 1.5),
            ("phase", "0"),
            ("run", 7),
            ("purpose", "DO"),
            ("step", {}),
        )
    )
    event["data"][name] = bad
    return _text(event).encode()


def _field_more(event: dict[str, Any], random: Random) -> bytes:
    event["data"][random.choice(("approved", "grant", "force", "plan_hash"))] = True
    return _text(event).encode()


def _field_less(event: dict[str, Any], random: Random) -> bytes:
    del event["data"][random.choice(("task", "call", "tool", "target", "question"))]
    return _text(event).encode()


def _no_text(event: dict[str, Any], random: Random) -> bytes:
    raw = bytearray(_text(event).encode())
    raw[raw.index(b'"question"') + 14] = random.choice((0x00, 0xFF, 0xC0))
    return bytes(raw)


def _deep(event: dict[str, Any], random: Random) -> bytes:
    # Its target is none of the plan's, should anybody get as far as that.
    event["data"] |= {"arguments": {"asset": "@"}, "target": "web-01x"}
    depth = random.choice((500, 5_000, 50_000))
    return _text(event).replace('"@"', "[" * depth + "]" * depth).encode()


def _huge_number(event: dict[str, Any], random: Random) -> bytes:
    event["data"]["attempt"] = 10 ** random.choice((30, 300, 4000))
    return _text(event).encode()


GARBLINGS: dict[str, Garbling] = {
    "no number": _not_a_number,
    "a key twice": _key_twice,
    "cut short": _cut_short,
    "a wrong type": _of_wrong_type,
    "an unknown field": _field_more,
    "a missing field": _field_less,
    "no text": _no_text,
    "a thousand brackets": _deep,
    "a huge number": _huge_number,
}
"""By name."""


class Garbled:
    """Ruins runs that are really granted: each could have been asked for a step in earnest.

    Args:
        attack: notes the cases.
        runner: with the runner's credentials.
        random: of all choices.
    """

    def __init__(self, attack: Attack, runner: Adversary, random: Random) -> None:
        self._attack = attack
        self._runner = runner
        self._random = random

    async def ruin(self, scene: Scene, calls: int) -> None:
        """Append so many unreadable requests to a run; the first of them is for the due step."""
        for number in range(calls):
            step = scene.plan.steps[number % len(scene.plan.steps)]
            fields = scene.asking(step)
            ident = call_id(scene.name, fields["question"], fields["purpose"], fields["attempt"])
            request = ToolCallRequested.model_validate({"call": ident, **fields})
            name = self._random.choice(sorted(GARBLINGS))
            event = self._runner.event(scene.name, scene.version + 1, request, scene.task)
            bad = self._garble(event, GARBLINGS[name])
            await self._runner.append(scene.name, scene.version, [bad])
            scene.version += 1
            case = Case((f"garbled: {name}",), _CODES, request, scene.name, also_parked=True)
            case.event = event.event_id
            self._attack.cases.append(case)

    def _garble(self, event: NewEvent, garbling: Garbling) -> NewEvent:
        return replace(event, state=garbling(json.loads(event.state), self._random))
