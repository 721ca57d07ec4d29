"""Trying the whole table of the bus on a running server."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.lib.permissions.bus_door import Door, Try
from benchmarks.lib.permissions.bus_ears import heard_by, open_ear
from benchmarks.lib.permissions.bus_facts import CREDENTIALS
from benchmarks.lib.permissions.bus_kinds import Action
from benchmarks.lib.permissions.bus_state import bus_state, changed
from benchmarks.lib.permissions.bus_strangers import STRANGERS, at_the_door
from benchmarks.lib.permissions.bus_table import bus_table
from benchmarks.lib.permissions.bus_wire import Answer, Wire
from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell

__all__ = ["BusTried", "try_bus"]

_NO_RESPONDERS = b"NATS/1.0 503"


class BusTried(NamedTuple):
    """What came of it."""

    cells: list[Cell]
    state: Mapping[str, object]
    """Of the streams before and after; see `bus_state`."""


async def try_bus(door: Door, seed: int, *, strangers: int | None = None) -> BusTried:
    """Try each subject with each credential.

    Args:
        door: of a server whose streams nobody else uses meanwhile.
        seed: of the order.
        strangers: how many subjects those without a user try; None: all.
    """
    dice = random.Random(seed)
    entity = f"e{dice.randrange(16**12):012x}"
    table = bus_table(door.principals, entity)
    tries = [Try(kind, subject) for kind in table for subject in kind.subjects]
    dice.shuffle(tries)
    before = await bus_state(door)
    cells: list[Cell] = []
    stored: list[str] = []
    ears = [await open_ear(door, name) for name in CREDENTIALS]
    for who in CREDENTIALS:
        found, said = await _all_of(door, who, tries)
        cells += found
        stored += said
    cells += await heard_by(ears, [one for one in stored if one.startswith("smartops.")])
    chosen = tries if strangers is None else dice.sample(tries, strangers)
    for kind in STRANGERS:
        cells += await at_the_door(door, kind, chosen)
    after = await bus_state(door)
    cells += changed(before, after, stored)
    return BusTried(cells, after)


async def _all_of(door: Door, who: str, tries: Sequence[Try]) -> tuple[list[Cell], list[str]]:
    """Everything by one credential; also the subjects that a stream has taken."""
    inbox = f"_INBOX_{who}.{random.randbytes(8).hex()}"
    wire = await Wire.open(door.port, seed=door.seeds[who])
    try:
        await wire.listen(f"{inbox}.*")
        replies = await wire.attempt(
            [
                (one.kind.action, one.subject.text, one.subject.body, one.subject.queue)
                for one in tries
            ],
            inbox,
        )
        due = {
            reply
            for one, reply in zip(tries, replies, strict=True)
            if one.kind.action is Action.SAY and one.key not in wire.refused and one.kind.answered
        }
        asked = dict(zip(replies, (one.subject.text for one in tries), strict=True))

        def all_answered() -> bool:
            # Messages that a pull brings count as well, so their number alone says nothing.
            known = {_asked(answer) for answer in wire.got}
            return all(reply in known or asked[reply] in known for reply in due)

        await wire.until(len(due), all_answered)
        answers = {_asked(answer): answer.data for answer in wire.got}
    finally:
        await wire.close()
    cells, stored = [], []
    for one, reply in zip(tries, replies, strict=True):
        answer = answers.get(reply, answers.get(one.subject.text))
        expected = ALLOWED if one.kind.allows(who, one.subject) else DENIED
        measured = DENIED if one.key in wire.refused else ALLOWED
        if measured is DENIED and answer is not None:
            measured = f"refused, and answered all the same: {answer[:80]!r}"
        elif reply in due and (answer is None or answer.startswith(_NO_RESPONDERS)):
            measured = "let through, but nobody answered"
        cells.append(Cell(who, one.what(), expected, measured, one.kind.why))
        if answer is not None and _is_receipt(answer):
            stored.append(one.subject.text)
    cells += [Cell(who, "stay connected", ALLOWED, text) for text in wire.other]
    return cells, stored


def _asked(answer: Answer) -> str:
    """What it answers: the reply subject; of a delivered message only the request is known."""
    if not answer.reply.startswith("$JS.ACK."):
        return answer.subject
    stream, durable = answer.reply.split(".")[2:4]
    return f"JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"


def _is_receipt(answer: bytes) -> bool:
    try:
        told = json.loads(answer)
    except ValueError:
        return False
    return isinstance(told, dict) and {"stream", "seq"} <= set(told) and "error" not in told
