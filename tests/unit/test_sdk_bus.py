"""What comes in from the bus, in the order of the log."""

from __future__ import annotations

from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from smartops.sdk.bus import Inbox
from smartops.sdk.event import Event
from support.sdk_story import TASK, Story

SOON = 0.01


def message(event: Event, position: int | None) -> Msg:
    headers = {"Smartops-Position": str(position)} if position is not None else None
    return Msg(_client=Nats(), subject="smartops.acme.x", data=event.raw, headers=headers)


async def test_what_waits_is_handed_out_in_the_order_of_the_log() -> None:
    inbox, (first, second, third, *_) = Inbox(), Story().up_to_the_plan().events
    for event, position in ((second, 8), (third, 9), (first, 7)):
        await inbox.put(message(event, position))
    assert [await inbox.next(SOON) for _ in range(3)] == [first, second, third]
    assert inbox.empty()
    assert await inbox.next(SOON) is None


async def test_without_positions_the_order_is_that_of_arrival() -> None:
    inbox, (first, second, *_) = Inbox(), Story().up_to_the_plan().events
    await inbox.put(message(second, None))
    await inbox.put(message(first, None))
    assert [await inbox.next(SOON), await inbox.next(SOON)] == [second, first]


async def test_a_position_that_is_no_number_is_no_position() -> None:
    inbox, (event, *_) = Inbox(), Story().up_to_the_plan().events
    odd = Msg(
        _client=Nats(), subject="x", data=event.raw, headers={"Smartops-Position": "drop table"}
    )
    await inbox.put(odd)
    found = await inbox.next(SOON)
    assert found is not None
    assert found.position is None


async def test_only_what_holds_the_needle_comes_in() -> None:
    inbox, (event, *_) = Inbox(b"00000000-0000"), Story().up_to_the_plan().events
    await inbox.put(message(event, 1))
    assert inbox.empty()
    inbox = Inbox(str(TASK).encode())
    await inbox.put(message(event, 1))
    assert await inbox.next(SOON) == event


async def test_what_is_no_event_is_passed_over() -> None:
    inbox, (event, *_) = Inbox(), Story().up_to_the_plan().events
    await inbox.put(Msg(_client=Nats(), subject="x", data=b"{", headers=None))
    await inbox.put(message(event, 1))
    assert await inbox.next(SOON) == event
