"""The whole process: settings from the environment, health pages, bus, commands, signals."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import nats
import pytest
from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.anchors import read_anchors, read_rewinds
from smartops.audit.read_models.tenants import TenantRow
from smartops.audit.service import PROJECTOR_LOCK
from smartops.devstack.servers import NatsServer
from support.audit import AuditDatabase
from support.audit_histories import ops_task

pytest_plugins = ["support.audit_fixtures"]


@asynccontextmanager
async def audit_process(
    environment: dict[str, str], *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "smartops.audit", *arguments),
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def command(environment: dict[str, str], *arguments: str) -> tuple[int, list[dict]]:
    async with audit_process(environment, *arguments) as process:
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode is not None, err
        return process.returncode, [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def environment(told: AuditDatabase, nats_server: NatsServer, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": told.audit_dsn,
        "NATS_URL": nats_server.url,
        "SMARTOPS_ANCHORS_DIR": str(tmp_path / "anchors"),
        "SMARTOPS_HEALTH_FILE": str(tmp_path / "health"),
        "LOG_LEVEL": "warning",
    }


def status_of(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=5) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


async def _says(health_file: Path, wanted: Callable[[int, str], bool]) -> tuple[str, int]:
    """Wait until the readiness page says something; returns the pages' address and the status."""

    def ask() -> tuple[str, int] | None:
        if not health_file.exists() or not (url := health_file.read_text()):
            return None
        status, text = status_of(f"{url}/ready")
        return (url, status) if wanted(status, text) else None

    async with asyncio.timeout(30):
        while (answer := await asyncio.to_thread(ask)) is None:  # noqa: ASYNC110 - its page is all
            await asyncio.sleep(0.05)
    return answer


async def test_the_process_projects_tells_anchors_and_ends_when_asked(
    told: AuditDatabase, environment: dict[str, str], nats_server: NatsServer, tmp_path: Path
) -> None:
    bus = await nats.connect(nats_server.url)
    heard = await bus.subscribe("smartops.*.audit.appended.v1.>")
    await bus.flush()
    async with audit_process(environment) as process:
        url, _ = await _says(tmp_path / "health", lambda status, _: status == 200)
        await told.tell([ops_task("globex", "later")])
        counted, last = 0, 46
        async with asyncio.timeout(20):
            while last < 69:
                message = await heard.next_msg(20)
                event = json.loads(message.data)
                if message.subject.startswith("smartops.globex.") and event["data"]["last"] > 46:
                    last = event["data"]["last"]
                    counted += event["data"]["count"]
        assert counted == 23
        assert message.subject.startswith("smartops.globex.audit.appended.v1.-.")
        assert message.headers["Nats-Msg-Id"] == event["id"]
        _, metrics = await asyncio.to_thread(status_of, f"{url}/metrics")
        assert "orchestrator_projection_lag_events 0.0" in metrics
        process.terminate()
        _, err = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, err) == (0, b"")
    await bus.close()
    assert {anchor.position for anchor in read_anchors(tmp_path / "anchors")} >= {69}
    status, reports = await command(environment, "verify")
    assert (status, [report["anchors_checked"] > 0 for report in reports]) == (0, [True, True])
    assert await command(environment, "rebuild", "--check") == (
        0,
        [{"ok": True, "position": 69, "different": []}],
    )


async def test_tampering_shows_in_readiness_and_in_the_exit_status(
    told: AuditDatabase, environment: dict[str, str], tmp_path: Path
) -> None:
    async with told.breaking_in() as conn:
        await conn.execute("update smartops_log.events set hash = sha256('x') where position = 9")
    status, reports = await command(environment, "verify")
    assert (status, min(r["first_bad_position"] or 99 for r in reports)) == (1, 9)
    async with audit_process(environment):
        url, code = await _says(tmp_path / "health", lambda _, text: "position 9" in text)
        assert code == 503
        assert (await asyncio.to_thread(status_of, f"{url}/health"))[0] == 200


async def test_read_models_are_replaced_under_a_running_service(
    told: AuditDatabase, environment: dict[str, str]
) -> None:
    async with told.audit() as conn:
        assert await conn.fetchval("select pg_try_advisory_lock($1)", PROJECTOR_LOCK)
        status, (answer,) = await command(environment, "rebuild")
    assert (status, answer["ok"], answer["position"]) == (0, True, 46)
    assert await command(environment, "rebuild", "--check") == (
        0,
        [{"ok": True, "position": 46, "different": []}],
    )


async def test_a_log_that_was_rewound_is_refused_until_somebody_says_so(
    told: AuditDatabase, environment: dict[str, str], tmp_path: Path
) -> None:
    anchors = AnchorLog(tmp_path / "anchors")
    anchors.open()
    beyond = TenantRow("acme", datetime.now(UTC), 99, 900, b"\1" * 32)
    anchors.append([beyond])
    async with audit_process(environment):
        await _says(tmp_path / "health", lambda _, text: "audit rewound" in text)
    status, (answer,) = await command(environment, "rewound", "--by", "olga")
    assert (status, answer["anchors_kept"], answer["anchors_void"]) == (0, 0, 1)
    assert answer["rewind"]["rewound_to"] == 46
    assert [rewind.by for rewind in read_rewinds(tmp_path / "anchors")] == ["olga"]
    (tmp_path / "health").unlink()
    async with audit_process(environment):
        await _says(tmp_path / "health", lambda status, _: status == 200)
    status, reports = await command(environment, "verify")
    assert (status, [report["ok"] for report in reports]) == (0, [True, True])


async def test_nothing_is_voided_if_what_is_left_is_not_what_was_anchored(
    told: AuditDatabase, environment: dict[str, str], tmp_path: Path
) -> None:
    anchors = AnchorLog(tmp_path / "anchors")
    anchors.open()
    anchors.append([TenantRow("acme", datetime.now(UTC), 7, 7, b"\1" * 32)])
    anchors.append([TenantRow("acme", datetime.now(UTC), 99, 900, b"\1" * 32)])
    status, (answer,) = await command(environment, "rewound", "--by", "olga")
    assert (status, answer["ok"]) == (1, False)
    assert read_rewinds(tmp_path / "anchors") == []
