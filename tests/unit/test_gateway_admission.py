"""What a call needs before it goes out, and that it gives back what it took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from pydantic import BaseModel
from smartops.contracts.tools import Rate, ToolDescriptor
from smartops.contracts.wire import Category, Idempotence, Purpose, Risk, Scope
from smartops.tool_gateway.admission import LONGEST_PAUSE, SLOT_PAUSE, Admission, Admitted, Later
from smartops.tool_gateway.breaker import FAILURES, Breakers
from smartops.tool_gateway.permits import Permits
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.tools import Tool

A_MINUTE = Rate(calls=60, window_ms=60_000)
GONE = NotApplied("unreachable", "refused", retryable=True)


@dataclass
class Spent:
    """Permits that note what is asked of them."""

    slots: int = 1
    waits: dict[str, timedelta] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    used: int = 0
    broken: bool = False

    async def spend(self, _tenant: str, scope: str, _rate: Rate) -> timedelta | None:
        if self.broken:
            raise ConnectionError("the log is away")
        self.asked.append(scope)
        return self.waits.get(scope)

    async def occupy(self, _tenant: str, _scope: str, _capacity: int, longest: timedelta) -> bool:
        assert longest == timedelta(seconds=5)
        if self.used >= self.slots:
            return False
        self.used += 1
        return True

    def free(self, _tenant: str, _scope: str) -> None:
        self.used -= 1


def admission(spent: Spent, rate: Rate | None = None) -> Admission:
    return Admission(cast("Permits", spent), Breakers(), rate)


def tool(name: str = "patch", host: str = "fleet.example", **declared: Any) -> Tool:
    described = ToolDescriptor(
        name=name,
        version="1",
        description="made up",
        category=Category.REVERSIBLE,
        risk=Risk.STATE_CHANGE_PROD,
        scope=Scope.ASSET,
        idempotence=Idempotence.IDEMPOTENT,
        timeout_ms=5000,
        input_schema={},
        output_schema={},
        egress=(host,),
        **declared,
    )
    nothing = cast("Any", BaseModel)
    return Tool(described, nothing, nothing, cast("Any", None))


async def test_a_tool_that_declares_nothing_goes_out_and_asks_for_no_permit() -> None:
    spent = Spent()
    assert isinstance(await admission(spent).admit("acme", tool(), Purpose.DO), Admitted)
    assert spent == Spent()


async def test_tenant_and_tool_have_rates_and_the_longest_wait_is_told() -> None:
    spent = Spent(waits={"tool/patch": timedelta(seconds=7)})
    found = await admission(spent, A_MINUTE).admit("acme", tool(rate=A_MINUTE), Purpose.DO)
    assert found == Later("rate", timedelta(seconds=7))
    assert spent.asked == ["tenant", "tool/patch"]


async def test_taking_back_is_not_held_up_by_rates_but_by_slots() -> None:
    spent = Spent(waits={"tenant": timedelta(seconds=7)})
    door = admission(spent, A_MINUTE)
    narrow = tool(concurrency=1)
    assert isinstance(await door.admit("acme", narrow, Purpose.UNDO), Admitted)
    assert await door.admit("acme", narrow, Purpose.UNDO) == Later("concurrency", SLOT_PAUSE)


async def test_a_slot_is_freed_when_the_call_is_done_when_it_waits_and_when_asking_fails() -> None:
    spent = Spent(waits={"tenant": timedelta(seconds=1)})
    door, narrow = admission(spent, A_MINUTE), tool(concurrency=1)
    assert isinstance(await door.admit("acme", narrow, Purpose.DO), Later)
    assert spent.used == 0
    spent.broken = True
    try:
        await door.admit("acme", narrow, Purpose.DO)
    except ConnectionError:
        assert spent.used == 0
    else:
        raise AssertionError("it went out without a permit")
    spent.broken, spent.waits = False, {}
    entry = await door.admit("acme", narrow, Purpose.DO)
    assert isinstance(entry, Admitted)
    assert spent.used == 1
    entry.done(Answer({}))
    assert spent.used == 0


async def test_who_does_not_answer_is_left_alone_whichever_tool_asks_and_others_go_on() -> None:
    door = admission(Spent())
    for number in range(FAILURES):
        entry = await door.admit("acme", tool(f"tool_{number}"), Purpose.DO)
        assert isinstance(entry, Admitted)
        entry.done(Unknown("no answer") if number % 2 else GONE)
    found = await door.admit("acme", tool("another"), Purpose.UNDO)
    assert isinstance(found, Later)
    assert found.reason == "circuit_open"
    assert timedelta(0) < found.wait <= timedelta(seconds=2)
    elsewhere = await door.admit("acme", tool(host="other.example"), Purpose.DO)
    assert isinstance(elsewhere, Admitted)


async def test_what_is_sent_again_takes_a_slot_heeds_a_silent_system_and_spends_no_permit() -> None:
    spent = Spent(waits={"tenant": timedelta(seconds=7), "tool/patch": timedelta(seconds=7)})
    door = admission(spent, A_MINUTE)
    narrow = tool(rate=A_MINUTE, concurrency=1)
    entry = await door.admit("acme", narrow, Purpose.DO, again=True)
    assert isinstance(entry, Admitted)
    assert (spent.used, spent.asked) == (1, [])
    found = await door.admit("acme", narrow, Purpose.DO, again=True)
    assert found == Later("concurrency", SLOT_PAUSE)
    entry.done(None)
    for _ in range(FAILURES):
        assert isinstance(entry, Admitted)
        entry.breaker.heard(GONE, time.monotonic())
    silent = await door.admit("acme", narrow, Purpose.DO, again=True)
    assert isinstance(silent, Later)
    assert silent.reason == "circuit_open"


def test_pauses_grow_where_nobody_knows_how_long_and_never_beyond_a_minute_and_a_half() -> None:
    busy = Later("concurrency", SLOT_PAUSE)
    for tries in range(20):
        assert SLOT_PAUSE * 2 ** min(tries, 4) <= busy.pause(tries) <= SLOT_PAUSE * 24
    silent = Later("circuit_open", timedelta(hours=1))
    assert LONGEST_PAUSE <= silent.pause(0) <= 1.5 * LONGEST_PAUSE
