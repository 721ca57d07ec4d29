"""Tenants never meet: what a reader may see, and what nobody but audit may write."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from smartops.audit.read_models import ALL
from smartops.eventstore import LOGIN_ROLES
from support.audit import AuditDatabase
from support.audit_histories import Story, ops_task

pytest_plugins = ["support.audit_fixtures"]

VIEWS = (
    "v_tenants",
    "v_actors",
    "v_tasks",
    "v_plans",
    "v_approvals",
    "v_runs",
    "v_phases",
    "v_tool_calls",
    "v_events",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two_tenants(postgres_server: object, audit_template: str) -> AsyncIterator[AuditDatabase]:
    """Read models of two tenants; the tests here only look."""
    database = AuditDatabase(postgres_server, "audit_two_tenants")  # type: ignore[arg-type]
    admin = await asyncpg.connect(database.server.dsn(database="postgres"))
    await admin.execute(f"create database {database.name} template {audit_template}")
    await admin.close()
    for tenant in ("acme", "globex"):
        await database.tell([Story(tenant, "who").actor(), ops_task(tenant, "done")])
    await database.project()
    yield database


@pytest.mark.parametrize("view", VIEWS)
async def test_a_reader_sees_the_tenant_that_is_set_and_no_other(
    two_tenants: AuditDatabase, view: str
) -> None:
    seen = {}
    for tenant in ("acme", "globex"):
        async with two_tenants.reader(tenant) as conn:
            rows = await conn.fetch(f"select tenant from smartops.{view}")
            assert {row["tenant"] for row in rows} == {tenant}
            seen[tenant] = len(rows)
            other = "globex" if tenant == "acme" else "acme"
            assert not await conn.fetch(f"select 1 from smartops.{view} where tenant = $1", other)
    assert seen["acme"] == seen["globex"] > 0


@pytest.mark.parametrize("view", VIEWS)
async def test_an_unset_tenant_is_an_error(two_tenants: AuditDatabase, view: str) -> None:
    async with two_tenants.reader(None) as conn:
        with pytest.raises(asyncpg.UndefinedObjectError, match=r"smartops\.tenant"):
            await conn.fetch(f"select * from smartops.{view}")


async def test_a_tenant_set_for_one_transaction_is_unset_after_it(
    two_tenants: AuditDatabase,
) -> None:
    async with two_tenants.reader(None) as conn:
        async with conn.transaction():
            await conn.execute("select set_config('smartops.tenant', 'acme', true)")
            assert await conn.fetch("select * from smartops.v_tasks")
        with pytest.raises(asyncpg.UndefinedObjectError, match="is not set"):
            await conn.fetch("select * from smartops.v_tasks")


async def test_a_tenant_that_does_not_exist_sees_nothing(two_tenants: AuditDatabase) -> None:
    async with two_tenants.reader("nobody") as conn:
        for view in VIEWS:
            assert not await conn.fetch(f"select 1 from smartops.{view}")


@pytest.mark.parametrize("view", VIEWS)
async def test_a_condition_of_the_query_is_never_tried_on_other_tenants_rows(
    two_tenants: AuditDatabase, view: str
) -> None:
    """A cheap function that tells what it is given is the classic leak of a view."""
    async with two_tenants.connection() as admin:
        await admin.execute(
            "create or replace function public.tell(text) returns boolean language plpgsql "
            "cost 0.0000001 as $$ begin raise notice 'told %', $1; return true; end $$"
        )
    async with two_tenants.reader("acme") as conn:
        told: list[str] = []
        conn.add_log_listener(lambda _, message: told.append(str(message)))
        await conn.fetch(f"select * from smartops.{view} where public.tell(tenant)")
        assert told
        assert not [text for text in told if "globex" in text]


async def test_a_reader_has_no_way_into_the_log_or_the_inner_tables(
    two_tenants: AuditDatabase,
) -> None:
    forbidden = [
        "smartops_log.events",
        "smartops_log.blobs",
        "smartops_log.heads",
        "smartops.plans",
        "smartops.tenants",
        "smartops.progress",
        "smartops.unknown_topics",
    ]
    async with two_tenants.reader("acme") as conn:
        for table in forbidden:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"select * from {table}")
        rows = await conn.fetch("select tenant from smartops.tasks")
        assert {row["tenant"] for row in rows} == {"acme"}


async def test_a_reader_writes_nothing(two_tenants: AuditDatabase) -> None:
    async with two_tenants.reader("acme") as conn:
        for name in (*VIEWS, "v_tools", *(model.name for model in ALL)):
            for statement in (
                f"delete from smartops.{name}",
                f"insert into smartops.{name} select * from smartops.{name}",
            ):
                with pytest.raises(asyncpg.PostgresError):
                    await conn.execute(statement)


async def test_the_other_services_see_no_read_model(two_tenants: AuditDatabase) -> None:
    for role in set(LOGIN_ROLES) - {"smartops_audit", "smartops_reader"}:
        async with two_tenants.connection(role) as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch("select * from smartops.v_tasks")


async def test_row_security_is_forced_on_every_tenant_s_table(two_tenants: AuditDatabase) -> None:
    async with two_tenants.connection() as conn:
        for model in ALL:
            row = await conn.fetchrow(
                "select relrowsecurity, relforcerowsecurity, relowner::regrole::text "
                "from pg_class where oid = $1::text::regclass",
                f"smartops.{model.name}",
            )
            assert tuple(row) == (True, True, "smartops_owner")
        owners = await conn.fetch(
            "select distinct viewowner from pg_views where schemaname = 'smartops'"
        )
        assert [row[0] for row in owners] == ["smartops_owner"]


async def test_the_owner_itself_is_bound_by_the_tenant(two_tenants: AuditDatabase) -> None:
    async with two_tenants.connection() as conn:
        await conn.execute("set role smartops_owner")
        with pytest.raises(asyncpg.UndefinedObjectError):
            await conn.fetch("select * from smartops.tasks")
        await conn.execute("set smartops.tenant = 'acme'")
        assert {row[0] for row in await conn.fetch("select tenant from smartops.tasks")} == {"acme"}


async def test_the_views_have_the_columns_that_others_rely_on(two_tenants: AuditDatabase) -> None:
    expected = {
        "v_tenants": "tenant first_seen events head_position head_hash verified_position",
        "v_actors": "tenant actor name principals roles disabled",
        "v_tasks": "tenant task status intent environment agent task_type risk_level requester "
        "requester_name source tags plan_hash run error_code message submitted_at updated_at "
        "ended_at last_position",
        "v_plans": "tenant task number plan_hash document_digest document type summary "
        "environment targets steps state assessment_hash assessment created_at updated_at",
        "v_approvals": "tenant task number plan_hash assessment_hash status environment summary "
        "risk_level role quorum requester reasons automatic grant_number run decided_by "
        "decided_by_names note requested_at decided_at expires_at roles escalated voices reminders "
        "prompted_at standing break_glass",
        "v_delegations": "tenant delegation actor name to_actor to_name roles environments until "
        "reason given_at ended_at end_reason",
        "v_standings": "tenant standing actor name agent tools environments max_targets "
        "max_risk_level max_uses uses last_used_at until reason given_at ended_at end_reason",
        "v_runs": "tenant run task grant_number status phase_count phase phase_name "
        "phases_completed steps_applied calls reason what_to_do started_at ended_at updated_at",
        "v_phases": "tenant run phase name status targets started_at completed_at health",
        "v_tool_calls": "tenant call task run purpose tool version target question attempt phase "
        "status requester arguments output output_digest error_code message grant_number rules "
        "bundle send duration_ms requested_at dispatched_at ended_at settles_by incarnation "
        "deadline settled_by accept_double",
        "v_tools": "tenant name version category risk scope idempotence timeout_ms digest "
        "descriptor registered_at position current",
        "v_autonomy": "tenant agent agent_version tool environment level before rule reason task "
        "event principal actor tool_digest changed_at position current",
        "v_track": "tenant agent agent_version environment tool runs succeeded rolled_back failed "
        "escalated rejected approved senior_approvals last_run_at last_approved_at",
        "v_events": "tenant position stream version event_id topic task cause recorded_at state "
        "hash",
    }
    async with two_tenants.connection() as conn:
        for view, columns in expected.items():
            found = await conn.fetch(
                "select column_name from information_schema.columns where table_schema = "
                "'smartops' and table_name = $1 order by ordinal_position",
                view,
            )
            assert [row[0] for row in found] == columns.split()
