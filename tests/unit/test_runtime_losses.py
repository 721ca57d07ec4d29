"""What can be known of commands that went with their stream."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from smartops.runtime.losses import Losses


def info(created: str, delivered: int, pending: int) -> dict[str, Any]:
    return {
        "created": created,
        "delivered": {"stream_seq": delivered, "consumer_seq": delivered},
        "num_pending": pending,
    }


def looked(*infos: dict[str, Any]) -> Losses:
    losses = Losses()
    for one in infos:
        losses.look("planner.intents", one)
    return losses


def test_commands_that_waited_when_the_stream_was_made_anew_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    losses = looked(info("monday", 40, 7), info("tuesday", 0, 0), info("tuesday", 3, 0))
    assert losses.gone == {"planner.intents": 7}
    assert "up to 7 accepted commands" in caplog.text
    assert "made anew" in caplog.text


def test_of_a_stream_restored_from_an_old_copy_only_what_the_copy_lacks_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    losses = looked(info("monday", 40, 7), info("monday", 31, 2))
    assert losses.gone == {"planner.intents": 5}
    assert "set back" in caplog.text


def test_a_stream_lost_while_nothing_waited_is_told_and_counts_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    losses = looked(info("monday", 40, 0), info("tuesday", 0, 0))
    assert losses.gone == {"planner.intents": 0}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_service_that_never_took_one_still_notices(caplog: pytest.LogCaptureFixture) -> None:
    assert looked(info("monday", 0, 7), info("tuesday", 0, 0)).gone == {"planner.intents": 7}
    assert caplog.records


@pytest.mark.parametrize(
    "later",
    [
        info("monday", 47, 0),
        info("tuesday", 40, 7),
        info("tuesday", 47, 0),
        info("monday", 40, 9),
        info("monday", 36, 11),
    ],
    ids=["taken", "consumer made again", "made again and taken", "more came", "server crashed"],
)
def test_nothing_is_claimed_of_a_stream_that_is_whole(
    caplog: pytest.LogCaptureFixture, later: dict[str, Any]
) -> None:
    assert looked(info("monday", 40, 7), later).gone == {"planner.intents": 0}
    assert not caplog.records


def test_an_answer_that_is_none_of_ours_tells_nothing() -> None:
    assert looked(info("monday", 40, 7), {"error": {}}, info("monday", 40, 7)).gone == {
        "planner.intents": 0
    }
