"""The pull loop against a real server: every rule that could break."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from smartops.bus.delivery import Delivery
from smartops.bus.pull import Handle, StandingPull
from smartops.bus.pull_options import PullOptions
from support.bus import Bench, Seen, eventually

pytest_plugins = ["support.bus_fixtures"]


def ms(value: float) -> timedelta:
    return timedelta(milliseconds=value)


GRACE = ms(500)


@asynccontextmanager
async def pulling(bench: Bench, handle: Handle, **options: Any) -> AsyncIterator[StandingPull]:
    nc = await bench.connect()
    pull = StandingPull(nc, bench.stream, bench.durable, handle, options=PullOptions(**options))
    await pull.start()
    try:
        yield pull
    finally:
        await pull.stop(GRACE)


async def test_every_message_reaches_its_handler_once_and_is_acked(bench: Bench) -> None:
    seen = Seen()
    async with pulling(bench, seen, concurrency=8) as pull:
        assert pull.healthy
        await bench.publish(*range(1, 41))
        await seen.at_least(40)
        await eventually(lambda: pull.running == 0)
        assert sorted(seen.sequences) == list(range(1, 41))
        await bench.settled()
        assert pull.asked > 0


async def test_a_slow_message_delays_no_other(bench: Bench) -> None:
    seen = Seen()
    seen.block = {1}
    async with pulling(bench, seen, concurrency=4):
        await bench.publish(*range(1, 41))
        await seen.at_least(40, seconds=3)
        seen.release.set()


async def test_messages_in_work_never_exceed_the_credit(bench: Bench) -> None:
    most = 0
    running = 0
    done = 0

    async def handle(delivery: Delivery) -> None:
        nonlocal most, running, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        done += 1
        await delivery.ack()

    await bench.publish(*range(1, 101))
    async with pulling(bench, handle, concurrency=5) as pull:
        while done < 100:
            assert pull.running + pull.asked <= 5
            await asyncio.sleep(0)
    assert most == 5


async def test_blocked_handlers_hold_exactly_their_credit(bench: Bench) -> None:
    seen = Seen()
    seen.block = set(range(1, 21))
    async with pulling(bench, seen, concurrency=5):
        await bench.publish(*range(1, 21))
        await seen.at_least(5)
        await bench.holds(pending=5, unread=15)
        seen.release.set()
        await seen.at_least(20)


async def test_a_long_handler_keeps_its_message(bench: Bench) -> None:
    await bench.make_consumer(ack_wait=600_000_000)
    seen = Seen()
    seen.block = {1}
    async with pulling(bench, seen) as pull:
        assert pull.ack_wait == ms(600)
        await bench.publish(1)
        await eventually(lambda: pull.renewals >= 7)
        seen.release.set()
        await eventually(lambda: pull.running == 0)
    assert seen.sequences == [1]
    await bench.settled()


async def test_a_stop_gives_unstarted_messages_back_at_once(bench: Bench) -> None:
    first, second = Seen(), Seen()
    async with pulling(bench, first, concurrency=64) as pull:
        # The request still lingers when these are stored, so they are on their way to a loop
        # that is about to stop.
        burst = asyncio.create_task(bench.publish(*range(1, 101)))
        await first.at_least(10)
        await pull.stop()
        await burst
        began = time.monotonic()
        async with pulling(bench, second):
            await second.at_least(100 - len(first.deliveries))
        assert time.monotonic() - began < 2
    assert sorted(first.sequences + second.sequences) == list(range(1, 101))


async def test_a_stop_waits_for_handlers_and_gives_back_what_outlasts_the_grace(
    bench: Bench,
) -> None:
    first, second = Seen(), Seen()
    first.block = {1, 2}
    async with pulling(bench, first) as pull:
        await bench.publish(1, 2)
        await first.at_least(2)
        await pull.stop(grace=ms(100))
        assert pull.trouble == "stopped"
        async with pulling(bench, second):
            await second.at_least(2, seconds=2)
    assert [one.about.deliveries for one in second.deliveries] == [2, 2]


async def test_a_message_left_undecided_comes_back_after_a_delay(bench: Bench) -> None:
    seen = Seen()
    seen.decide = False
    async with pulling(bench, seen, undecided_delay=ms(400)) as pull:
        began = time.monotonic()
        await bench.publish(1)
        await seen.at_least(2)
        assert 0.35 < time.monotonic() - began < 2
        assert pull.counters.undecided >= 1


async def test_an_error_that_escapes_a_handler_costs_neither_the_loop_nor_the_slot(
    bench: Bench,
) -> None:
    seen = Seen()

    async def handle(delivery: Delivery) -> None:
        await seen(delivery)
        raise RuntimeError("a defect")

    async with pulling(bench, handle, concurrency=1) as pull:
        await bench.publish(1, 2, 3)
        await seen.at_least(3)
        await eventually(lambda: pull.running == 0)
        assert pull.healthy


async def test_a_deleted_consumer_costs_few_requests_and_heals_when_it_is_made_again(
    bench: Bench,
) -> None:
    seen = Seen()
    async with pulling(bench, seen) as pull:
        await eventually(bench.awaited)
        await bench.api(f"CONSUMER.DELETE.{bench.stream}.{bench.durable}")
        await eventually(lambda: not pull.healthy)
        assert "Deleted" in str(pull.trouble) or "no such consumer" in str(pull.trouble)
        sent = pull._nc.stats["out_msgs"]
        await asyncio.sleep(1)
        assert pull._nc.stats["out_msgs"] - sent <= 5
        await bench.make_consumer()
        await bench.publish(1)
        await seen.at_least(1)
        assert pull.healthy


async def test_a_pull_whose_consumer_is_not_there_yet_starts_and_waits(bench: Bench) -> None:
    await bench.api(f"CONSUMER.DELETE.{bench.stream}.{bench.durable}")
    seen = Seen()
    async with pulling(bench, seen, retry_first=ms(50)) as pull:
        assert "consumer not found" in str(pull.trouble)
        await bench.make_consumer()
        await bench.publish(1)
        await seen.at_least(1)


async def test_a_request_that_expires_is_renewed(bench: Bench) -> None:
    seen = Seen()
    async with pulling(bench, seen, expires=ms(300), heartbeat=ms(100)) as pull:
        await eventually(lambda: pull.counters.asks >= 3)
        assert pull.counters.failures == 0
        await bench.publish(1)
        await seen.at_least(1)


async def test_a_killed_and_restarted_server_is_pulled_again_through_a_new_inbox(
    bench: Bench,
) -> None:
    seen = Seen()
    async with pulling(bench, seen) as pull:
        await bench.publish(1, 2)
        await seen.at_least(2)
        await bench.server.kill()
        await eventually(lambda: not pull.healthy)
        assert pull.trouble == "the bus is not connected"
        await bench.server.start()
        await eventually(lambda: bench.nc.is_connected)
        await bench.publish(3)
        await eventually(lambda: 3 in seen.sequences)
        assert pull.healthy
        assert pull.counters.inboxes >= 2


async def test_a_handler_that_ends_while_the_server_is_away_is_still_acked(bench: Bench) -> None:
    seen = Seen()
    seen.block = {1}
    async with pulling(bench, seen) as pull:
        await bench.publish(1)
        await seen.at_least(1)
        await bench.server.kill()
        await eventually(lambda: not pull.healthy)
        seen.release.set()
        await eventually(lambda: pull.running == 0)
        await bench.server.start()
        await eventually(lambda: pull.healthy and bench.nc.is_connected)
        await bench.settled()
    # The killed server may have forgotten the delivery, which makes a repeat, never a loss.
    assert set(seen.sequences) == {1}


async def test_a_connection_that_has_gone_deaf_is_replaced(bench: Bench) -> None:
    seen = Seen()
    options = {"heartbeat": ms(100), "expires": ms(1000), "patience": ms(300)}
    async with pulling(bench, seen, **options) as pull:
        reader = pull._nc._reading_task
        assert reader is not None
        reader.cancel()  # what a late PONG after a cancelled flush does to the client
        await eventually(lambda: pull.counters.inboxes >= 2)
        await bench.publish(1)
        await seen.at_least(1)


async def test_a_server_that_froze_is_asked_little_and_pulled_again_when_it_thaws(
    bench: Bench,
) -> None:
    """What a stopped process or a hanging disk looks like: connected, and no word."""
    seen = Seen()
    options = {"heartbeat": ms(200), "expires": ms(2000), "patience": ms(300)}
    async with pulling(bench, seen, **options) as pull:
        await bench.publish(1)
        await seen.at_least(1)
        server = bench.server._started
        server.signal(signal.SIGSTOP)
        try:
            await eventually(lambda: not pull.healthy)
            assert "no sign of life" in str(pull.trouble) or "not connected" in str(pull.trouble)
            asks, sent = pull.counters.asks, pull._nc.stats["out_msgs"]
            await asyncio.sleep(2)
            assert pull.counters.asks - asks <= 1
            assert pull._nc.stats["out_msgs"] - sent < 10
            assert not pull.healthy
        finally:
            server.signal(signal.SIGCONT)
        await eventually(lambda: pull.healthy and bench.nc.is_connected, seconds=20)
        await bench.publish(2)
        await eventually(lambda: 2 in seen.sequences)


async def test_a_pause_asks_for_nothing_until_it_is_ended(bench: Bench) -> None:
    seen = Seen()
    async with pulling(bench, seen) as pull:
        pull.pause("maintenance")
        assert pull.trouble == "paused: maintenance"
        await eventually(lambda: pull.asked == 0)
        await bench.publish(1, 2)
        await bench.holds(pending=0, unread=2)
        assert seen.deliveries == []
        pull.resume()
        await seen.at_least(2)
        assert pull.healthy


async def test_an_outage_rests_the_loop_and_sends_one_message_ahead(bench: Bench) -> None:
    away = True
    probes: list[float] = []
    seen = Seen()

    async def handle(delivery: Delivery) -> None:
        if away:
            probes.append(time.monotonic())
            pull.outage("database: away")
            await delivery.nak(ms(10))
        else:
            await seen(delivery)

    async with pulling(bench, handle, rest_first=ms(300), declined_delay=ms(20)) as pull:
        await bench.publish(*range(1, 31))
        await eventually(lambda: pull.counters.outages >= 3)
        spent = len(probes)
        away = False
        await seen.at_least(30)
        assert pull.healthy
    # Several messages may meet the first outage together; later ones one at a time.
    assert spent <= 30 + 3
    assert all(one.about.deliveries <= 5 for one in seen.deliveries)


async def test_two_loops_on_one_durable_share_its_messages(bench: Bench) -> None:
    one, two = Seen(), Seen()
    async with pulling(bench, one, concurrency=2), pulling(bench, two, concurrency=2):
        await bench.publish(*range(1, 41))
        await eventually(lambda: len(one.deliveries) + len(two.deliveries) == 40)
    assert sorted(one.sequences + two.sequences) == list(range(1, 41))
    assert one.deliveries
    assert two.deliveries


async def test_an_inbox_lies_below_the_prefix_that_was_given(bench: Bench) -> None:
    nc = await bench.connect("other")
    pull = StandingPull(nc, bench.stream, bench.durable, Seen(), inbox_prefix="_INBOX_mine")
    await pull.start()
    assert str(pull._inbox.subject).startswith("_INBOX_mine.")
    await pull.stop()
