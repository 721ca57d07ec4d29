"""What lies parked of a command: all of it under a key, or nothing that must not lie there."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from smartops.contracts.canonical import canonical
from smartops.contracts.catalogue import COMMANDS, POLICY, RUNNER
from smartops.contracts.ids import principal
from smartops.contracts.subjects import Subjects
from smartops.redact import Finder
from smartops.runtime.orders import Orders, unpack_command
from smartops.runtime.recording import Recorder
from smartops.vault import Keeper
from support.samples import sample

SUBJECTS = Subjects("smartops")
SUBJECT = SUBJECTS.command("acme", "plan.edit", 1, principal("local", "operator"), "one")
HANDLER = "policy.edits"
WHOLE = {"task": "11111111-1111-5111-8111-111111111111", "reason": "too wide"}


class Shelf:
    """In place of the store: what was parked, and under which words."""

    def __init__(self) -> None:
        self.payload: bytes | None = None
        self.reason = ""

    async def park(self, _handler: str, _key: object, reason: str, payload: bytes, _t: str) -> None:
        self.payload, self.reason = payload, reason


def orders(keeper: Keeper | None = None) -> tuple[Orders, Shelf]:
    shelf = Shelf()
    made = Orders(cast("Any", shelf), Recorder(POLICY, SUBJECTS), SUBJECTS)
    if keeper is not None:
        made.keep_with(keeper)
    return made, shelf


async def parked(told: object, made: Orders | None = None, shelf: Shelf | None = None) -> Any:
    """What of a command would be tried again; None if nothing is there."""
    if made is None or shelf is None:
        made, shelf = orders()
    raw = told if isinstance(told, bytes) else json.dumps(told).encode()
    await made.park(HANDLER, SUBJECT, raw, "failed 8 times")
    if shelf.payload is None:
        return None
    subject, kept = unpack_command(made.uncover(shelf.payload))
    assert subject == SUBJECT
    return json.loads(kept)


async def test_a_harmless_command_lies_there_byte_for_byte() -> None:
    made, shelf = orders()
    raw = b'{ "task":"x" , "reason": "too wide"}'
    await made.park(HANDLER, SUBJECT, raw, "failed 8 times")
    assert shelf.payload == SUBJECT.encode() + b"\n" + raw


KEYLESS = {name: spec for name, spec in COMMANDS.items() if spec.service in (POLICY, RUNNER)}


@pytest.mark.parametrize("spec", KEYLESS.values(), ids=KEYLESS)
async def test_whatever_those_without_keys_are_commanded_can_be_tried_again(spec: Any) -> None:
    command = sample(spec.data).model_dump(mode="json")
    assert await parked(json.loads(canonical(command))) is not None


async def test_reasons_are_cleaned_and_the_rest_stays() -> None:
    found = await parked({**WHOLE, "reason": "call ana@example.com first"})
    assert found == {**WHOLE, "reason": "call [email] first"}


@pytest.mark.parametrize(
    "told",
    [
        {**WHOLE, "changes": [{"argument": "owner", "value": "ana@example.com"}]},
        {**WHOLE, "changes": [{"argument": "x", "value": "password=hunter2hunter2"}]},
        {**WHOLE, "deep": {"api_key": "sk-live-0123456789abcdef0123"}},
        {**WHOLE, "x": {"$secret": "a", "also": 1}},
        b'{"task": ',
        b"[]",
        b'{"a": 1, "a": 2}',
    ],
    ids=["personal", "a secret", "a key of secrets", "no reference", "cut", "a list", "twice"],
)
async def test_what_cannot_be_cleaned_is_not_kept_and_says_so(told: object) -> None:
    made, shelf = orders()
    assert await parked(told, made, shelf) is None
    assert shelf.reason == "failed 8 times; it was not kept, and has to be given once more"
    await parked(WHOLE, made, shelf)
    assert shelf.reason == "failed 8 times"


async def test_national_numbers_are_found_where_the_region_is_told() -> None:
    made, shelf = orders()
    told = {**WHOLE, "changes": [{"argument": "call", "value": "030 901820"}]}
    assert await parked(told, made, shelf) is not None
    made.finder = Finder(region="DE")
    assert await parked(told, made, shelf) is None


async def test_with_a_key_all_of_it_is_kept_and_nobody_else_can_read_it() -> None:
    key = b"k" * 32
    made, shelf = orders(Keeper(cast("Any", None), Finder(), key))
    told = {**WHOLE, "changes": [{"argument": "owner", "value": "ana@example.com"}]}
    assert await parked(told, made, shelf) == told
    assert shelf.payload is not None
    assert b"example.com" not in shelf.payload
    assert SUBJECT.encode() not in shelf.payload
