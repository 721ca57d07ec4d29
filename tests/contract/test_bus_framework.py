"""What we rely on inside FastStream and the NATS client, without their promise."""

from __future__ import annotations

import inspect

import pytest
from faststream.nats import NatsBroker
from faststream.nats.subscriber.usecases import LogicSubscriber, PullStreamSubscriber
from nats.aio.client import Client
from nats.aio.msg import Msg
from smartops.bus import subscriber
from smartops.bus.errors import UnsupportedFramework
from smartops.bus.subscriber import PROVEN_FASTSTREAM, BusSubscriber, check_framework


def test_the_installed_faststream_is_the_one_our_hook_was_proven_on() -> None:
    check_framework()


def test_another_faststream_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "faststream_version", "0.8.0")
    with pytest.raises(UnsupportedFramework, match=f"install faststream=={PROVEN_FASTSTREAM}"):
        check_framework()


def test_a_faststream_without_our_hook_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(PullStreamSubscriber, "_create_subscription")
    monkeypatch.setattr(subscriber, "_HOOKS", ("_gone",))
    with pytest.raises(UnsupportedFramework, match="lacks _gone"):
        check_framework()


def test_start_calls_the_hook_and_stop_leaves_a_missing_subscription_alone() -> None:
    start = inspect.getsource(PullStreamSubscriber.start)
    assert "self._create_subscription()" in start
    stop = inspect.getsource(LogicSubscriber.stop)
    assert "self.subscription is not None" in stop


def test_an_object_may_become_our_subscriber() -> None:
    broker = NatsBroker()
    made = broker.subscriber("a", stream="S", durable="d", pull_sub=True)
    assert type(made) is PullStreamSubscriber
    made.__class__ = BusSubscriber
    assert isinstance(made, BusSubscriber)


def test_the_broker_makes_its_connection_in_one_place() -> None:
    assert "_connect()" in inspect.getsource(NatsBroker.connect)
    assert "self.config.connect(connection)" in inspect.getsource(NatsBroker._connect)


def test_the_client_offers_what_the_loop_uses() -> None:
    for name in ("publish", "subscribe", "request", "rtt", "new_inbox", "force_reconnect"):
        assert callable(getattr(Client, name))
    assert "reconnects" in Client().stats
    assert isinstance(inspect.getattr_static(Msg, "is_acked"), property)
