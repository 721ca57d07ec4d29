"""What a service looks after, told to readiness and metrics."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from nats import errors as nats_errors
from nats.aio.client import Client
from smartops.contracts.catalogue import handler
from smartops.eventstore.errors import StoreUnavailable
from smartops.eventstore.rows import Backlog
from smartops.eventstore.store import EventStore
from smartops.runtime.watch import Watch
from smartops.telemetry.metrics import Metrics
from smartops.telemetry.probes import troubles

HANDLERS = [handler("runner.grants"), handler("runner.controls")]


class Store:
    """A store with a backlog."""

    trouble: Exception | None = None

    async def outbox_backlog(self) -> Backlog:
        if self.trouble is not None:
            raise self.trouble
        return Backlog(3, None)

    async def parked(self, _limit: int) -> list[object]:
        return [object(), object()]


class Bus:
    """A connection on which consumers answer as told."""

    is_connected = True

    def __init__(self, answers: dict[str, object]) -> None:
        self.answers = answers

    async def request(self, subject: str, *_: object, **__: object) -> Any:
        answer = self.answers[subject.rpartition(".")[2]]
        if isinstance(answer, Exception):
            raise answer

        class Reply:
            data = json.dumps(answer).encode()

        return Reply


def watch(answers: dict[str, object], store: Store | None = None) -> tuple[Watch, Metrics]:
    metrics = Metrics("runner")
    made = Watch(cast("EventStore", store or Store()), metrics, HANDLERS)
    made._nc = cast("Client", Bus(answers))
    return made, metrics


FINE: dict[str, object] = {
    "runner-grants": {"num_pending": 5, "num_ack_pending": 2},
    "runner-controls": {"num_pending": 0, "num_ack_pending": 0},
}
MISSING = {"error": {"code": 404, "err_code": 10014, "description": "consumer not found"}}


async def test_what_waits_is_shown_per_handler() -> None:
    looked, metrics = watch(FINE)
    await looked.look()
    value = metrics.registry.get_sample_value
    grants = {"handler": "runner.grants"}
    assert value("orchestrator_consumer_pending", grants) == 5
    assert value("orchestrator_consumer_unacked", grants) == 2
    assert value("orchestrator_outbox_pending") == 3
    assert value("orchestrator_outbox_oldest_seconds") == 0
    assert value("orchestrator_parked_triggers") == 2
    assert troubles(looked.probes()) == []


async def test_a_missing_consumer_is_named_until_it_is_there_again() -> None:
    looked, metrics = watch(FINE | {"runner-grants": MISSING})
    await looked.look()
    [found] = troubles(looked.probes())
    assert (found.part, found.trouble) == (
        "consumers",
        "runner-grants is missing from SMARTOPS: run the provisioner",
    )
    gone = {"handler": "runner.grants"}
    assert metrics.registry.get_sample_value("orchestrator_consumer_pending", gone) is None

    looked._nc = cast("Client", Bus(FINE))
    await looked.look()
    assert troubles(looked.probes()) == []


async def test_a_consumer_that_does_not_answer_is_named() -> None:
    looked, _ = watch(FINE | {"runner-controls": nats_errors.TimeoutError()})
    await looked.look()
    [found] = troubles(looked.probes())
    assert found.trouble.startswith("runner-controls: no answer")


async def test_what_a_service_needs_besides_is_asked_and_told() -> None:
    looked, _ = watch(FINE)
    answers: list[str | None] = ["no policy bundle has been activated yet", None]

    async def look() -> str | None:
        return answers.pop(0)

    looked.also("policy", look)
    assert [one.part for one in troubles(looked.probes())] == ["policy"]  # Not looked at yet.
    await looked.look()
    assert [one.trouble for one in troubles(looked.probes())] == [
        "no policy bundle has been activated yet"
    ]
    await looked.look()
    assert troubles(looked.probes()) == []


async def test_an_outage_of_the_database_ends_no_watch(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    store.trouble = StoreUnavailable("away")
    looked, metrics = watch(FINE, store)
    await looked.look()
    assert metrics.registry.get_sample_value("orchestrator_outbox_pending") == 0
    assert troubles(looked.probes()) == []
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
