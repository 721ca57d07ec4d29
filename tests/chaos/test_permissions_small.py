"""The small form of `prove permissions`, and whether it notices what it is for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from smartops.devstack.stack import Stack, StackOptions, running_stack

from benchmarks.lib.experiment import Outcome
from benchmarks.lib.permissions.bus_door import door_of
from benchmarks.lib.permissions.bus_facts import CREDENTIALS
from benchmarks.lib.permissions.bus_kinds import Right
from benchmarks.lib.permissions.bus_table import bus_table
from benchmarks.lib.permissions.bus_try import try_bus
from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell, violations_of
from benchmarks.lib.permissions.database import database_of
from benchmarks.lib.permissions.db_try import try_database
from benchmarks.lib.permissions.forgotten import nothing_forgotten
from benchmarks.lib.permissions.page import page
from benchmarks.lib.permissions.rows import fill
from benchmarks.lib.permissions.rows_try import try_rows
from benchmarks.prove.permissions import Plan, permissions

SMALL = Plan(seed=7, strangers=60, relations=4)
GUARDED = ("smartops.tasks", "smartops.v_events")
"""Relations whose guards are taken off below."""
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"


@pytest.fixture(scope="module")
async def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return await permissions(tmp_path_factory.mktemp("home"), SMALL)


async def test_every_credential_and_role_may_what_the_table_says_and_no_more(
    outcome: Outcome,
) -> None:
    assert outcome.violations == ()
    assert outcome.void is None
    assert int(str(outcome.figures["n"])) > 15_000


async def test_everybody_tried_and_somebody_was_let_through(outcome: Outcome) -> None:
    bus = outcome.figures["bus"]
    assert isinstance(bus, dict)
    for name in CREDENTIALS:
        assert bus["by"][name][ALLOWED] > 10
        assert bus["by"][name][DENIED] > 1000


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "run .venv/bin/python -m benchmarks.lib.permissions.page > docs/reference/permissions.md"
    )


def test_a_cell_that_is_not_as_expected_is_told() -> None:
    cells = [
        Cell("runner", "say x", DENIED, ALLOWED, "why"),
        Cell("runner", "say y", ALLOWED, ALLOWED),
    ]
    assert violations_of(cells) == ["runner: say x: allowed, expected denied (why)"]


def test_a_durable_on_which_the_table_is_silent_is_told() -> None:
    state: dict[str, object] = {"SMARTOPS: configuration": {}, "SMARTOPS.runner-secrets": {}}
    told = violations_of(nothing_forgotten(state))
    assert any("SMARTOPS.runner-secrets: a right was never decided on" in one for one in told)
    assert any("SMARTOPS_DLQ: there is none" in one for one in told)


async def test_rights_that_are_too_wide_are_noticed(tmp_path: Path) -> None:
    """The servers as they are, but with guards taken off."""
    async with running_stack(
        tmp_path, StackOptions(services=(), servers=0), handle_signals=False
    ) as stack:
        await _widen(stack)
        database = database_of(stack)
        told = violations_of(await try_database(database))
        for sign in (
            "smartops_reader: select * from smartops_log.events limit 0: allowed",
            "smartops_runner: hold insert on smartops_log.writers: allowed",
            "smartops_policy: have the power rolbypassrls: allowed",
            "the table: know the relation smartops.forgotten: a right was never decided on",
            "smartops_planner: set role smartops_owner: allowed",
        ):
            assert any(one.startswith(sign) for one in told), sign
        await fill(database, 1)
        told = violations_of(await try_rows(database, 1, only=GUARDED))
        for sign in (
            "smartops_reader: read smartops.tasks plainly as acme: saw",
            "smartops_reader: read smartops.v_events with a telltale condition as acme: saw",
        ):
            assert any(one.startswith(sign) for one in told), sign


async def _widen(stack: Stack) -> None:
    async with database_of(stack).session() as superuser:
        for statement in (
            "grant usage on schema smartops_log to smartops_reader",
            "grant select on smartops_log.events to smartops_reader",
            "grant insert (role) on smartops_log.writers to smartops_runner",
            "alter role smartops_policy bypassrls",
            "create table smartops.forgotten (tenant text)",
            "grant smartops_owner to smartops_planner",
            "alter table smartops.tasks disable row level security",
            "alter view smartops.v_events reset (security_barrier)",
        ):
            await superuser.execute(statement)


async def test_users_with_rights_that_are_too_wide_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose configuration gives one service another's rights."""
    configured = Stack._users

    def widened(stack: Stack) -> list[object]:
        users = configured(stack)
        runner = next(user for user in users if user.name == "runner")
        policy = next(user for user in users if user.name == "policy")
        wide = dataclasses.replace(runner, publish=(*runner.publish, *policy.publish))
        deaf = dataclasses.replace(policy, publish=policy.publish[1:])
        return [{"runner": wide, "policy": deaf}.get(user.name, user) for user in users]

    monkeypatch.setattr(Stack, "_users", widened)
    async with running_stack(
        tmp_path, StackOptions(services=(), servers=0), handle_signals=False
    ) as stack:
        tried = await try_bus(door_of(stack), 3, strangers=5)
    told = violations_of(tried.cells)
    for sign in (
        "runner: say smartops.acme.task.approval.granted.v1.-.",
        "runner: say $JS.ACK.SMARTOPS.policy-plans.",
        "runner: say JS.API.CONSUMER.MSG.NEXT.SMARTOPS.policy-plans: allowed",
        "policy: say smartops.acme.actor.delegated.v1.-.",
    ):
        assert any(one.startswith(sign) for one in told), sign
    assert not [one for one in told if not one.startswith(("runner", "policy"))]


def test_the_table_gives_nobody_a_right_to_delete_or_to_read_single_commands() -> None:
    """Read by a person once more: what must never stand in the table."""
    for kind in bus_table({"operator": "P-O", "approver": "P-A"}, "id"):
        for subject in kind.subjects:
            harm = (".DELETE.", ".PURGE.", ".RESTORE.", ".SNAPSHOT.", ".MSG.DELETE.", "$SYS.")
            if any(one in subject.text for one in harm):
                assert set(kind.may.values()) <= {Right.NONE}
