"""Canaries: values that must never be stored or shown, sent through the whole house."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import UUID

import asyncpg
import pytest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import (
    CommandRefused,
    PiiErased,
    PiiRevealed,
    TaskApprovalRequired,
    TaskCancelRequested,
    TaskPaused,
    TaskSubmitted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
)
from smartops.redact import placeholders
from smartops.sdk.errors import Refused
from support.leaky_api import LeakyApi, leaky_api
from support.stacks import House, comes_true, house_at

MAIL = "canary.ana@example.com"
PHONE = "+49 30 901820"
IBAN = "DE89370400440532013000"
THEIR_MAIL = "canary.bob@example.com"
THEIR_TOKEN = "ghp_" + "cAnArY1234" * 4
ODD_SECRET = "canary battery horse staple"
DRIVER_TOKEN = "canary-driver-credential"
LABEL = "canary-label-of-a-backup"

CANARIES = (MAIL, PHONE, IBAN, THEIR_MAIL, THEIR_TOKEN, ODD_SECRET, DRIVER_TOKEN, LABEL)

_NOT_OURS = ("playground.",)
"""What the systems operated on keep is theirs."""


@dataclass(frozen=True)
class Cage:
    """A house whose fleet gives everything away, and where its secrets lie."""

    house: House
    api: LeakyApi


@pytest.fixture(scope="module")
async def cage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cage]:
    home = tmp_path_factory.mktemp("cage")
    away = tmp_path_factory.mktemp("secrets")
    (away / "db").write_text(ODD_SECRET)
    (away / "driver").write_text(DRIVER_TOKEN)
    (away / "theirs").write_text(ODD_SECRET)
    (away / "label").write_text(LABEL)
    actors = [
        {
            "tenant": "acme",
            "name": name,
            "roles": [name, *more],
            "principals": [{"issuer": "local", "subject": name}],
        }
        for name, more in (("operator", ()), ("approver", ("privacy",)))
    ]
    (home / "actors.json").write_text(json.dumps(actors))
    with leaky_api(THEIR_MAIL, THEIR_TOKEN) as api:
        traced = {
            name: {"SMARTOPS_TRACES": f"file:{home}/{name}.spans"}
            for name in ("planner", "policy", "runner", "tool_gateway", "audit")
        }
        traced["tool_gateway"] |= {
            "SMARTOPS_FLEET_URL": api.url,
            "SMARTOPS_FLEET_TOKEN_FILE": str(away / "driver"),
            "SMARTOPS_SECRETS_DIR": str(away),
            "SMARTOPS_SECRET_BINDINGS": json.dumps(
                {
                    "db": {"tenants": ["acme"], "tools": ["noop"]},
                    "label": {"tenants": ["acme"], "tools": ["run_backup"]},
                    "theirs": {"tenants": ["globex"], "tools": ["noop"]},
                }
            ),
            "LOG_LEVEL": "debug",
        }
        async with house_at(home, servers=0, service_env=traced) as house:
            yield Cage(house, api)


def intent(*steps: dict[str, Any], note: str = "", approval: bool = False) -> IntentSubmit:
    wanted = [{"target": "web-01", **step} for step in steps]
    return IntentSubmit.model_validate(
        {
            "intent": f"Help {MAIL} or call {PHONE}{note}",
            "environment": "sandbox",
            "context": {"agent": "runbook", "steps": wanted, "approval": approval},
        }
    )


async def said(house: House, task: UUID, kind: type[Any]) -> list[Any]:
    return await house.told(kind, task)


async def run(house: House, command: IntentSubmit) -> UUID:
    task = (await house.operator.submit(command)).task
    await house.outcome(task)
    return task


async def run_approved(house: House, command: IntentSubmit) -> UUID:
    task = (await house.operator.submit(command)).task
    await house.approve(task)
    await house.outcome(task)
    return task


async def everything_in_the_database(house: House) -> bytes:
    """Every row of every table of ours, the vault's included: what a dump would hold."""
    conn = await asyncpg.connect(house.stack.postgres.dsn())
    parts: list[bytes] = []
    try:
        tables = await conn.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables"
            " where schemaname like 'smartops%'"
        )
        assert len(tables) > 15
        for table in tables:
            for row in await conn.fetch(f"select * from {table['name']}"):
                parts += [v if isinstance(v, bytes) else str(v).encode() for v in row.values()]
    finally:
        await conn.close()
    return b"\n".join(parts)


def files_with(home: Path, canary: str) -> list[str]:
    """Files of an installation that hold these bytes anywhere, its database's and bus's too."""
    return [
        str(path.relative_to(home))
        for path in sorted(home.rglob("*"))
        if path.is_file()
        and not path.name.startswith(_NOT_OURS)
        and canary.encode() in path.read_bytes()
    ]


def page(url: str) -> bytes:
    with urlopen(url, timeout=5) as reply:
        found: bytes = reply.read()
    return found


async def smartops(house: House, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("smartops")), "--home", str(house.stack.home)),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_the_tools_hear_the_values_and_nobody_else_does(cage: Cage) -> None:
    house, home = cage.house, cage.house.stack.home
    echoed = await run(
        house,
        intent(
            {"tool": "noop", "arguments": {"pad": MAIL}},
            {"tool": "noop", "arguments": {"pad": f"pay {IBAN} for {MAIL}", "n": 1}},
            {"tool": "noop", "arguments": {"pad": {"$secret": "db"}, "n": 2}},
        ),
    )
    answered = await run(house, intent({"tool": "get_asset", "arguments": {"asset": "web-01"}}))
    failed = await run_approved(
        house,
        intent(
            {
                "tool": "restart_server",
                "arguments": {"asset": "web-01", "reason": f"for {MAIL}, {PHONE}"},
            }
        ),
    )

    # It went through: the values were used, tokens were stored.
    outputs = [e.output for e in await said(house, echoed, ToolCallCompleted)]
    assert len(outputs) == 3
    assert outputs[0]["pad"]["$pii"] == "email"
    assert outputs[1]["pad"].startswith("pay [iban:")
    assert outputs[2]["pad"] == "[secret:told]"
    [asset] = [e.output for e in await said(house, answered, ToolCallCompleted)]
    assert asset["region"]["$pii"] == "email"
    assert asset["platform"].startswith("asked for by [email:")
    refusals = await said(house, failed, ToolCallFailed)
    assert refusals
    assert "[email:" in refusals[0].message
    heard = "\n".join(cage.api.heard)
    assert f"for {MAIL}, {PHONE}" in heard
    assert DRIVER_TOKEN in heard

    # And nowhere else.
    for task in (echoed, answered, failed):
        await house.shows(task, (await status(house, task)))
    shown = [
        await smartops(house, *arguments)
        for task in (echoed, answered, failed)
        for arguments in (("task", str(task)), ("--json", "task", str(task)), ("events", str(task)))
    ]
    pages = [
        await asyncio.to_thread(page, house.stack.health_url(name) + "/metrics")
        for name in house.stack.services
    ]
    stored = await everything_in_the_database(house)
    assert b"[email:" in stored, "a search that finds nothing finds no canary either"
    left = {}
    for canary in CANARIES:
        assert canary.encode() not in stored, canary
        assert not [out for _, out in shown if canary in out], canary
        assert not [page for page in pages if canary.encode() in page], canary
        left[canary] = files_with(home, canary)
    assert any(path.name.endswith(".spans") and path.stat().st_size for path in home.iterdir())
    assert not any(left.values()), left
    held = " ".join(files_with(home, "Help [email:"))
    assert "nats" in held, "the bus was searched"
    assert "postgres" in held, "the database was searched"


async def status(house: House, task: UUID) -> str:
    async def known() -> bool:
        rows = await house.reader.tasks(limit=100)
        return any(row["task"] == task and row["ended_at"] is not None for row in rows)

    await comes_true(known)
    return str((await house.reader.task(task))["status"])


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("noop", {"pad": {"$secret": "driver"}}),
        ("noop", {"pad": {"$secret": "theirs"}}),
        ("restart_server", {"asset": "web-01", "reason": {"$secret": "db"}}),
        ("run_backup", {"asset": "web-01", "label": {"$secret": "label"}}),
    ],
    ids=[
        "bound to nothing",
        "another tenant's",
        "another tool's",
        "not told to what takes it back",
    ],
)
async def test_a_secret_is_not_told_to_a_tool_that_it_is_not_bound_to(
    cage: Cage, tool: str, arguments: dict[str, Any]
) -> None:
    house, before = cage.house, len(cage.api.heard)
    task = (await house.operator.submit(intent({"tool": tool, "arguments": arguments}))).task
    if tool == "restart_server":
        await house.approve(task)
    await house.until(task, TaskPaused)
    await house.operator.cancel(task, "it holds the server")
    await house.outcome(task)

    [denied] = await said(house, task, ToolCallDenied)
    assert (denied.reason_code, denied.rules) == ("secret_not_bound", ("gateway.secrets",))
    assert await said(house, task, ToolCallCompleted) == []
    assert await said(house, task, ToolCallDispatched) == []
    heard = "".join(cage.api.heard[before:])
    assert not [secret for secret in (ODD_SECRET, LABEL) if secret in heard]


async def test_what_stands_behind_a_token_is_shown_to_who_may_see_it_and_to_nobody_else(
    cage: Cage,
) -> None:
    house = cage.house
    task = await run(house, intent({"tool": "noop", "arguments": {"pad": MAIL}}))
    [submitted] = await said(house, task, TaskSubmitted)
    tokens = list(dict.fromkeys(placeholders(submitted.intent)))
    assert len(tokens) == 2

    with pytest.raises(Refused, match="privacy"):
        await house.operator.reveal(tokens, "curious")
    told = await house.approver.reveal([*tokens, "0" * 32], "to call back", task=task)

    assert set(told.values.values()) == {MAIL, PHONE}
    assert told.missing == ("0" * 32,)
    assert isinstance(told.event.data, PiiRevealed)
    assert told.event.data.reason == "to call back"
    assert told.event.data.principal == house.approver.principal
    stored = await everything_in_the_database(house)
    assert MAIL.encode() not in stored
    [call] = await said(house, task, ToolCallCompleted)
    code, out = await smartops(
        house, "--as", "approver", "call", "reveal", str(call.call), "--reason", "look"
    )
    assert code == 0, out
    assert MAIL in out
    code, out = await smartops(house, "pii", "reveal", tokens[0], "--reason", "curious")
    assert code != 0
    assert MAIL not in out


async def test_after_an_erasure_nothing_resolves_and_the_history_still_verifies(
    cage: Cage,
) -> None:
    house = cage.house
    command = intent({"tool": "noop", "arguments": {"pad": MAIL}}, approval=True)
    task = (await house.operator.submit(command)).task
    required = await house.until(task, TaskApprovalRequired)
    with pytest.raises(Refused, match="privacy"):
        await house.operator.erase("mine", task=task)

    code, out = await smartops(
        house, "--as", "approver", "pii", "erase", "--task", str(task), "--reason", "asked for"
    )
    assert code == 0, out
    assert "2 values gone" in out
    erased = [e for e in await house.reader.events() if isinstance(e.data, PiiErased)]
    assert [(e.data.task, e.data.values, e.task) for e in erased] == [(task, 2, task)]  # type: ignore[union-attr]

    # The approved step needs what is gone: it does not go out.
    await house.approver.decide(task, required.plan_hash, required.assessment_hash, "approve")
    denied = await house.until(task, ToolCallDenied)
    assert denied.reason_code == "missing_pii"
    [submitted] = await said(house, task, TaskSubmitted)
    token = next(placeholders(submitted.intent))
    told = await house.approver.reveal([token], "is it gone?", task=task)
    assert (told.values, told.missing) == ({}, (token,))
    # The same intent once more brings nothing back.
    code, out = await smartops(house, "audit", "verify")
    assert code == 0, out


async def test_what_people_give_as_a_reason_is_cleaned_by_whichever_service_takes_it(
    cage: Cage,
) -> None:
    house, secret = cage.house, "ghp_" + "reasonCAN1" * 4
    why = f"{IBAN} leaked {secret}"
    task = (
        await house.operator.submit(intent({"tool": "noop", "arguments": {}}, approval=True))
    ).task
    await house.until(task, TaskApprovalRequired)
    await house.operator.cancel(task, why)  # policy
    erased = await house.approver.erase(why, task=task)  # the tool gateway

    [cancelled] = await house.told(TaskCancelRequested, task)
    assert cancelled.reason == "[iban] leaked [secret:github_token]"
    assert isinstance(erased.event.data, PiiErased)
    assert erased.event.data.reason.startswith("[iban:")
    stored = await everything_in_the_database(house)
    assert IBAN.encode() not in stored
    assert secret.encode() not in stored


async def test_a_secret_in_an_intent_is_refused_and_stored_nowhere(cage: Cage) -> None:
    house = cage.house
    secret = "ghp_" + "refusedCAN" * 4
    with pytest.raises(Refused) as caught:
        await house.operator.submit(intent(note=f" with {secret}"))
    assert caught.value.code == "secret"
    assert secret not in str(caught.value)
    assert secret.encode() not in await everything_in_the_database(house)
    refused = [e.data for e in await house.reader.events() if isinstance(e.data, CommandRefused)]
    assert refused
    assert files_with(house.stack.home, secret) == []


async def test_a_waiting_command_lies_in_its_stream_and_goes_with_its_acknowledgement(
    cage: Cage,
) -> None:
    """The one place where an intent is stored as it was sent."""
    house, home = cage.house, cage.house.stack.home
    planner = house.stack.services["planner"].pid
    assert planner is not None
    command = intent({"tool": "noop", "arguments": {"pad": THEIR_MAIL}})
    os.kill(planner, signal.SIGSTOP)
    try:
        task = (await house.operator.submit(command, wait=False)).task
        waits = files_with(home, THEIR_MAIL)
    finally:
        os.kill(planner, signal.SIGCONT)
    await house.outcome(task)

    assert waits
    assert all("SMARTOPS_COMMANDS" in name for name in waits), waits

    async def gone() -> bool:
        return not files_with(home, THEIR_MAIL)

    await comes_true(gone)
