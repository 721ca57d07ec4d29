"""One message, one decision; and what the server writes where messages are not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import Header
from smartops.bus.delivery import AckSubject, Delivery, read_ack_subject
from smartops.bus.nkey import new_user_key, public_key_of
from smartops.bus.status import Status

V1 = "$JS.ACK.SMARTOPS.policy-plans.3.17.5.1790000000000000000.4"
V2 = "$JS.ACK._.ACCHASH.SMARTOPS.policy-plans.3.17.5.1790000000000000000.4.random"


class Wire:
    """Notes what is published."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    async def publish(self, subject: str, payload: bytes = b"") -> None:
        self.sent.append((subject, payload))


def delivery(wire: Wire) -> Delivery:
    return Delivery(wire, Msg(Client(), "a", V1, b"secret"), 0.0)


@pytest.mark.parametrize("reply", [V1, V2])
def test_both_forms_of_ack_subject_are_read(reply: str) -> None:
    assert read_ack_subject(reply) == AckSubject(
        "SMARTOPS", "policy-plans", 3, 17, 1790000000000000000
    )


@pytest.mark.parametrize("reply", ["", "_INBOX.x", "$JS.ACK.a.b", "$JS.API.a.b.1.2.3.4.5"])
def test_anything_else_is_no_delivery(reply: str) -> None:
    with pytest.raises(ValueError, match="not the reply subject"):
        read_ack_subject(reply)


async def test_the_first_decision_counts() -> None:
    wire = Wire()
    one = delivery(wire)
    await one.ack()
    await one.nak()
    await one.term("late")
    await one.working()
    assert wire.sent == [(V1, b"")]
    assert one.decided


async def test_decisions_are_spelled_as_the_server_reads_them() -> None:
    wire = Wire()
    await delivery(wire).nak()
    await delivery(wire).nak(timedelta(milliseconds=1500))
    await delivery(wire).term("two\r\n  lines")
    await delivery(wire).working()
    assert [payload for _, payload in wire.sent] == [
        b"-NAK",
        b'-NAK {"delay": 1500000000}',
        b"+TERM two lines",
        b"+WPI",
    ]


async def test_a_decision_that_could_not_be_sent_is_still_open() -> None:
    class Broken(Wire):
        async def publish(self, subject: str, payload: bytes = b"") -> None:
            raise ConnectionError

    one = Delivery(Broken(), Msg(Client(), "a", V1), 0.0)
    with pytest.raises(ConnectionError):
        await one.ack()
    assert not one.decided


def status(**headers: str) -> Status:
    return Status.of(Msg(Client(), "a", headers=headers))


def test_statuses_are_read_with_what_they_hand_back() -> None:
    headers = {"Status": "408", "Nats-Pending-Messages": "12"}
    message = Msg(Client(), "a", headers={**headers, Header.DESCRIPTION: "Request Timeout"})
    assert Status.of(message) == Status("408", "Request Timeout", 12)
    assert str(Status.of(message)) == "408 Request Timeout"


def test_a_status_without_text_explains_itself() -> None:
    message = Msg(Client(), "a", headers={"Status": "503", Header.DESCRIPTION: "\nNats-Subject: x"})
    assert str(Status.of(message)) == "503 there is no such consumer, or JetStream is away"
    assert str(Status.of(Msg(Client(), "a"))) == "?"


def test_a_key_pair_hides_its_seed() -> None:
    key = new_user_key()
    assert public_key_of(f" {key.seed}\n") == key.public
    assert key.seed not in repr(key)
    assert key.public.startswith("U")
    for wrong in ("", "nonsense", key.public, key.seed[:-1]):
        with pytest.raises(ValueError, match="no NKEY seed"):
            public_key_of(wrong)
