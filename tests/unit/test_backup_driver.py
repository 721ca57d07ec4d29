"""A job that takes its time within one call: what its end, or its silence, means."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from smartops.tool_gateway.adapters import backups
from smartops.tool_gateway.adapters.backups import BackupDriver
from smartops.tool_gateway.adapters.json_api import JsonApi
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown

Said = httpx2.Response | Exception
RUNNING, DONE = {"state": "running"}, {"state": "done"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "_FIRST_LOOK", timedelta(0))
    monkeypatch.setattr(backups, "_LAST_LOOK", timedelta(0))


def said(status: int, body: str) -> httpx2.Response:
    return httpx2.Response(status, stream=httpx2.ByteStream(body.encode()))


def state(name: str, **more: str) -> httpx2.Response:
    rest = "".join(f', "{key}": "{value}"' for key, value in more.items())
    return said(200, f'{{"state": "{name}"{rest}}}')


async def run(
    answers: Iterable[Said],
    *,
    timeout: float = 5.0,  # noqa: ASYNC109 - the call's own
) -> tuple[Answer | NotApplied | Unknown, list[str]]:
    """What the call comes to, and the requests that were made for it."""
    coming, made = iter(answers), list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        made.append(request.method)
        told = next(coming, None) or state("running")
        if isinstance(told, Exception):
            raise told
        return told

    client = httpx2.AsyncClient(base_url="http://fleet", transport=httpx2.MockTransport(answer))
    driver = BackupDriver(JsonApi(client, 10_000))
    outbound = Outbound(
        "run_backup",
        "web-01",
        {"asset": "web-01", "label": "nightly"},
        uuid4(),
        {},
        timedelta(seconds=timeout),
    )
    try:
        async with asyncio.timeout(10):
            return await driver.call(outbound), made
    finally:
        await client.aclose()


async def test_it_is_started_once_and_looked_at_until_it_has_ended() -> None:
    answer, made = await run([state("running"), state("running"), state("done")])
    assert answer == Answer(DONE)
    assert made == ["POST", "GET", "GET"]


async def test_looks_that_got_no_answer_say_nothing_about_the_job() -> None:
    answer, made = await run(
        [
            state("running"),
            said(500, ""),
            httpx2.ReadError("gone"),
            httpx2.ConnectError("refused"),
            said(200, "no json"),
            state("done"),
        ]
    )
    assert answer == Answer(DONE)
    assert made == ["POST", *["GET"] * 5]


async def test_a_job_that_failed_left_nothing_behind() -> None:
    answer, _ = await run([state("running"), state("failed", reason="disk full")])
    assert answer == NotApplied("backup_failed", "disk full", retryable=False)


async def test_a_job_that_vanished_is_unknown() -> None:
    answer, _ = await run([state("running"), said(404, "{}")])
    assert isinstance(answer, Unknown)
    assert "no longer" in answer.reason


async def test_a_job_that_does_not_end_in_time_is_unknown() -> None:
    answer, made = await run([state("running")], timeout=0.05)
    assert isinstance(answer, Unknown)
    assert "had not ended" in answer.reason
    assert made.count("POST") == 1


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (said(409, "{}"), NotApplied),
        (httpx2.ConnectError("refused"), NotApplied),
        (said(500, ""), Unknown),
        (httpx2.ReadError("gone"), Unknown),
    ],
)
async def test_a_start_without_a_good_answer_is_not_waited_for(first: Said, kind: type) -> None:
    answer, made = await run([first])
    assert isinstance(answer, kind)
    assert made == ["POST"]
