"""The fast replay behind a rebuild: the rows of projecting, and none of its checks left out."""

from __future__ import annotations

import pytest
from smartops.audit import replay as replaying
from smartops.audit.checking import check, rebuild_into_scratch
from smartops.audit.checksum import checksum
from smartops.audit.errors import LogTampered
from smartops.audit.rebuild import replace
from support.audit import AuditDatabase
from support.audit_histories import many, ops_task

pytest_plugins = ["support.audit_fixtures"]

PORTIONS = ("STRIDE", "BATCH")


async def _end_of_the_tenant_that_ends_first(database: AuditDatabase) -> int:
    """Behind it only the positions tell that an event is missing: no ordinal follows."""
    async with database.connection() as conn:
        position: int = await conn.fetchval(
            "select min(last) from (select max(position) as last from smartops_log.events "
            "group by tenant) as ends"
        )
    return position


async def test_many_small_batches_make_the_rows_of_projecting(
    audit_database: AuditDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "BATCH", 7)
    monkeypatch.setattr(replaying, "STRIDE", 3)
    await audit_database.tell([*many("acme"), ops_task("globex", "two")])
    position = await audit_database.project()
    async with audit_database.audit() as conn:
        before = await checksum(conn)
        report = await check(conn)
        assert (report.ok, report.position) == (True, position)
        assert await replace(audit_database.audit_dsn) == position
        assert await checksum(conn) == before


@pytest.mark.parametrize("portion", PORTIONS)
async def test_an_event_missing_between_two_portions_is_noticed(
    told: AuditDatabase, monkeypatch: pytest.MonkeyPatch, portion: str
) -> None:
    missing = await _end_of_the_tenant_that_ends_first(told)
    async with told.breaking_in() as conn:
        await conn.execute("delete from smartops_log.events where position = $1", missing)
    # The portion before it ends right in front of it, the next one begins right behind it.
    monkeypatch.setattr(replaying, portion, missing - 1)
    async with told.audit() as conn:
        with pytest.raises(LogTampered) as found:
            await rebuild_into_scratch(conn)
    assert found.value.position == missing


@pytest.mark.parametrize("portion", PORTIONS)
@pytest.mark.parametrize("column", ["hash", "state"])
async def test_a_tampered_event_is_told_as_such_and_leaves_the_read_models_alone(
    told: AuditDatabase, monkeypatch: pytest.MonkeyPatch, portion: str, column: str
) -> None:
    monkeypatch.setattr(replaying, portion, 10)
    await told.project()
    async with told.audit() as conn:
        before = await checksum(conn)
        async with told.breaking_in() as thief:
            await thief.execute(
                f"update smartops_log.events set {column} = sha256('x') where position = 31"
            )
        with pytest.raises(LogTampered) as found:
            await replace(told.audit_dsn)
        assert found.value.position == 31
        assert await checksum(conn) == before
