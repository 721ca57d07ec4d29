"""Reading the projections: the named views, as the read-only role, one tenant at a time.

Rows come as mappings with the views' own column names. Projections follow the log; what was
committed a moment ago may not be in them yet, but `v_events` is the log itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from smartops.contracts.ids import CommandKey
from smartops.contracts.streams import PLATFORM, stream
from smartops.sdk.errors import (
    Ambiguous,
    NotFound,
    Outdated,
    SdkError,
    Unauthorised,
    Unreachable,
)
from smartops.sdk.profile import Profile
from smartops.sdk.short_id import uuid_range

if TYPE_CHECKING:
    from datetime import datetime

    from smartops.sdk.event import Event

__all__ = ["Reader", "Row"]

Row = dict[str, Any]

_CONNECT_SECONDS = 5.0
_QUERY_SECONDS = 30.0
_CLOSE_SECONDS = 2.0
_CHUNK = 1000
"""Events read at once."""
_DECISIONS = 250
"""Decisions read at once, each with its input: a few kilobytes, of a large plan a megabyte."""


class Reader:
    """Reads one tenant's views. Connects at the first question; safe to share between tasks."""

    def __init__(self, profile: Profile) -> None:
        self.tenant = profile.tenant
        self._dsn = profile.reader_dsn
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, if any."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), _CLOSE_SECONDS)
            except TimeoutError:
                pool.terminate()

    # --- tasks

    async def find_task(self, text: str) -> UUID:
        """The task that an id, or the beginning of one, names.

        Raises:
            NotFound: none does, or the beginning is too short.
            Ambiguous: several do.
        """
        try:
            first, last = uuid_range(text)
        except ValueError as error:
            raise NotFound(str(error)) from error
        if first == last:
            return first
        rows = await self.rows(
            "select task from smartops.v_tasks "
            "where tenant = $1 and task >= $2 and task <= $3 order by task limit 5",
            self.tenant,
            first,
            last,
        )
        if not rows:
            raise NotFound(f"no task begins with {text!r}. `smartops tasks` lists them.")
        if len(rows) > 1:
            raise Ambiguous(text, [row["task"] for row in rows])
        found: UUID = rows[0]["task"]
        return found

    async def tasks(self, *, status: str | None = None, limit: int = 20) -> list[Row]:
        """The newest tasks first."""
        return await self.rows(
            "select * from smartops.v_tasks where tenant = $1 and ($2::text is null or status = $2)"
            " order by submitted_at desc, task limit $3",
            self.tenant,
            status,
            limit,
        )

    async def task(self, task: UUID) -> Row:
        """One task.

        Raises:
            NotFound: it is not there; a task submitted a moment ago may not be projected yet.
        """
        rows = await self.rows(
            "select * from smartops.v_tasks where tenant = $1 and task = $2", self.tenant, task
        )
        if not rows:
            raise NotFound(f"there is no task {task}. `smartops tasks` lists the newest.")
        return rows[0]

    async def plans(self, task: UUID) -> list[Row]:
        """A task's plans, the newest first, with their documents and assessments."""
        return await self.rows(
            "select * from smartops.v_plans where tenant = $1 and task = $2 order by number desc",
            self.tenant,
            task,
        )

    async def approvals(
        self, *, task: UUID | None = None, status: str | None = "pending", limit: int = 50
    ) -> list[Row]:
        """Decisions asked of people, the newest first."""
        return await self.rows(
            "select * from smartops.v_approvals where tenant = $1"
            " and ($2::uuid is null or task = $2) and ($3::text is null or status = $3)"
            " order by requested_at desc nulls last, number desc limit $4",
            self.tenant,
            task,
            status,
            limit,
        )

    async def actors(self) -> list[Row]:
        """Who is who, by name."""
        return await self.rows(
            "select * from smartops.v_actors where tenant = $1 order by name", self.tenant
        )

    async def delegations(self, *, everything: bool = False, limit: int = 100) -> list[Row]:
        """Voices that were handed over, the newest first; by default those that count now."""
        return await self.rows(
            "select * from smartops.v_delegations where tenant = $1"
            " and ($2 or (ended_at is null and until > now()))"
            " order by given_at desc, delegation limit $3",
            self.tenant,
            everything,
            limit,
        )

    async def standings(self, *, everything: bool = False, limit: int = 100) -> list[Row]:
        """Plans that were agreed to beforehand, the newest first; by default what counts now."""
        return await self.rows(
            "select * from smartops.v_standings where tenant = $1"
            " and ($2 or (ended_at is null and until > now() and uses < max_uses))"
            " order by given_at desc, standing limit $3",
            self.tenant,
            everything,
            limit,
        )

    async def runs(self, task: UUID) -> list[Row]:
        """A task's runs, the newest first."""
        return await self.rows(
            "select * from smartops.v_runs where tenant = $1 and task = $2"
            " order by started_at desc nulls first, grant_number desc",
            self.tenant,
            task,
        )

    async def phases(self, run: UUID) -> list[Row]:
        """A run's phases, in order."""
        return await self.rows(
            "select * from smartops.v_phases where tenant = $1 and run = $2 order by phase",
            self.tenant,
            run,
        )

    async def calls(self, task: UUID, *, limit: int = 1000) -> list[Row]:
        """A task's tool calls, in the order in which they were asked for."""
        return await self.rows(
            "select * from smartops.v_tool_calls where tenant = $1 and task = $2"
            " order by requested_at, call limit $3",
            self.tenant,
            task,
            limit,
        )

    async def find_call(self, text: str) -> UUID:
        """The call that an id, or the beginning of one, names.

        Raises:
            NotFound: none does, or the beginning is too short.
            Ambiguous: several do.
        """
        try:
            first, last = uuid_range(text)
        except ValueError as error:
            raise NotFound(str(error).replace("task id", "call id")) from error
        if first == last:
            return first
        rows = await self.rows(
            "select call from smartops.v_tool_calls"
            " where tenant = $1 and call >= $2 and call <= $3 order by call limit 5",
            self.tenant,
            first,
            last,
        )
        if not rows:
            raise NotFound(f"no call begins with {text!r}. `smartops call list` lists them.")
        if len(rows) > 1:
            raise Ambiguous(text, [row["call"] for row in rows])
        found: UUID = rows[0]["call"]
        return found

    async def call(self, call: UUID) -> Row:
        """One tool call.

        Raises:
            NotFound: it is not there, or not decided yet.
        """
        rows = await self.rows(
            "select * from smartops.v_tool_calls where tenant = $1 and call = $2", self.tenant, call
        )
        if not rows:
            raise NotFound(f"there is no call {call}. `smartops call list` lists the newest.")
        return rows[0]

    async def newest_calls(self, *, status: str | None = None, limit: int = 20) -> list[Row]:
        """The tenant's calls, those asked for last first; each with its task's status."""
        return await self.rows(
            "select c.*, t.status as task_status from smartops.v_tool_calls c"
            " left join smartops.v_tasks t on t.tenant = c.tenant and t.task = c.task"
            " where c.tenant = $1 and ($2::text is null or c.status = $2)"
            " order by c.requested_at desc nulls last, c.call limit $3",
            self.tenant,
            status,
            limit,
        )

    async def call_events(self, call: UUID) -> list[Event]:
        """What was decided of a call, in order."""
        rows = await self.rows(
            "select state, position from smartops.v_events"
            " where tenant = $1 and stream = $2 order by version",
            self.tenant,
            stream(self.tenant, "call", call),
        )
        return [_event(row) for row in rows]

    async def parked(
        self, *, service: str | None = None, reason: str | None = None, limit: int = 100
    ) -> list[Row]:
        """What no service could digest, the newest first; an event with its topic and stream.

        Args:
            service: only what this one parked.
            reason: only what was parked for a reason that contains this, in any case of letters.
            limit: at most so many.
        """
        return await self.rows(
            "select p.*, e.topic, e.stream from (select * from smartops.v_parked"
            " where ($1::text is null or service = $1)"
            " and ($2::text is null or strpos(lower(reason), lower($2)) > 0)"
            " order by recorded_at desc limit $3) p"
            " left join smartops.v_events e on e.event_id = p.cause"
            " order by p.recorded_at desc",
            service,
            reason,
            limit,
        )

    async def tools(self) -> list[Row]:
        """The registered tools as they are now, by name. They are the platform's, for all."""
        sql = "select * from smartops.v_tools where current order by name"
        return await self._rows(PLATFORM, sql)

    async def tool(self, name: str) -> list[Row]:
        """Every form that a tool was ever registered in, the newest first; none if it never was."""
        sql = "select * from smartops.v_tools where name = $1 order by position desc"
        return await self._rows(PLATFORM, sql, name)

    # --- policy

    async def decisions(
        self,
        *,
        since: datetime | None = None,
        entrypoint: str | None = None,
        limit: int = _DECISIONS,
    ) -> AsyncIterator[list[Row]]:
        """What policy decided, with what it was asked, a page at a time, in log order."""
        after, ordinal = 0, 0
        while True:
            page = await self.rows(
                "select * from smartops.v_decisions where tenant = $1"
                " and position >= $2 and (position, ordinal) > ($2, $3)"
                " and ($4::timestamptz is null or recorded_at >= $4)"
                " and ($5::text is null or entrypoint = $5)"
                " order by position, ordinal limit $6",
                self.tenant,
                after,
                ordinal,
                since,
                entrypoint,
                limit,
            )
            if page:
                yield page
            if len(page) < limit:
                return
            after, ordinal = page[-1]["position"], page[-1]["ordinal"]

    async def decisions_about(self, *, task: UUID, call: UUID | None = None) -> list[Row]:
        """What policy decided about a task, or about one of its calls, in log order."""
        return await self.rows(
            "select * from smartops.v_decisions where tenant = $1 and task = $2"
            " and ($3::uuid is null or call = $3) order by position, ordinal",
            self.tenant,
            task,
            call,
        )

    async def bundles(self) -> list[Row]:
        """The platform's policy bundles, the newest word first. They are for all tenants."""
        sql = (
            "select * from smartops.v_bundles"
            " order by active desc, activated_at desc nulls last, first_position desc"
        )
        return await self._rows(PLATFORM, sql)

    async def shadow(self, digest: str) -> list[Row]:
        """What a bundle without authority would have decided otherwise, the newest first."""
        return await self.rows(
            "select * from smartops.v_shadow where tenant = $1 and digest = $2"
            " order by position desc",
            self.tenant,
            digest,
        )

    async def bundle_change(self, key: CommandKey) -> Event | None:
        """What followed from a command about bundles: the change, or its refusal; if it has."""
        sql = (
            "select state, position from smartops.v_events"
            " where stream = $1 and cause = $2 order by position limit 1"
        )
        rows = await self._rows(PLATFORM, sql, f"{PLATFORM}/bundle-default", key)
        rows = rows or await self.rows(
            "select state, position from smartops.v_events where stream = $1 order by position",
            stream(self.tenant, "cmd", key),
        )
        return _event(rows[0]) if rows else None

    async def agents(self) -> list[str]:
        """The agents that anything is known of, by name."""
        rows = await self.rows(
            "select agent from smartops.v_track where tenant = $1"
            " union select agent from smartops.v_autonomy where tenant = $1 order by agent",
            self.tenant,
        )
        return [row["agent"] for row in rows]

    async def track(self, agent: str) -> list[Row]:
        """An agent's record, by version, environment and tool."""
        return await self.rows(
            "select * from smartops.v_track where tenant = $1 and agent = $2"
            " order by agent_version, environment, tool",
            self.tenant,
            agent,
        )

    async def levels(self, agent: str) -> tuple[list[Event], list[Event]]:
        """What was said of an agent's levels, and of those that no event names, in order."""
        sql = (
            "select state, position from smartops.v_events"
            " where tenant = $1 and stream = $2 order by version"
        )
        own = await self.rows(sql, self.tenant, stream(self.tenant, "autonomy", agent))
        default = stream(PLATFORM, "autonomy", "default")
        platform = await self._rows(PLATFORM, sql, PLATFORM, default)
        return [_event(row) for row in own], [_event(row) for row in platform]

    # --- the log

    async def events(
        self, task: UUID | None = None, *, after: int = 0, limit: int | None = None
    ) -> list[Event]:
        """Events in log order: a task's, or the tenant's.

        Args:
            task: None for all tasks.
            after: only those behind this position.
            limit: at most so many, the first ones.
        """
        if task is None:
            sql = (
                "select state, position from smartops.v_events where tenant = $1"
                " and position > $2 order by position limit $3"
            )
            rows = await self.rows(sql, self.tenant, after, limit)
        else:
            sql = (
                "select state, position from smartops.v_events where tenant = $1"
                " and task = $2 and position > $3 order by position limit $4"
            )
            rows = await self.rows(sql, self.tenant, task, after, limit)
        return [_event(row) for row in rows]

    async def newest_events(self, limit: int) -> list[Event]:
        """The tenant's last events, in log order."""
        rows = await self.rows(
            "select state, position from smartops.v_events where tenant = $1"
            " order by position desc limit $2",
            self.tenant,
            limit,
        )
        return [_event(row) for row in reversed(rows)]

    async def caused(self, key: CommandKey, task: UUID, where: str | None = None) -> list[Event]:
        """What followed from a command: effects on a task or in a stream, or its refusal."""
        rows = await self.rows(
            "select state, position from smartops.v_events"
            " where tenant = $1 and task = $2 and cause = $3"
            " union all select state, position from smartops.v_events"
            " where tenant = $1 and stream = $4"
            " union all select state, position from smartops.v_events"
            " where tenant = $1 and stream = $5 and cause = $3 order by position",
            self.tenant,
            task,
            key,
            stream(self.tenant, "cmd", key),
            where,
        )
        return list({event.id: event for event in map(_event, rows)}.values())

    async def log(self, *, after: int = 0) -> AsyncIterator[Row]:
        """Every row of the tenant's log, in order, with what its chain is made of."""
        while True:
            rows = await self.rows(
                "select position, stream, version, event_id, topic, state, hash"
                " from smartops.v_events where tenant = $1 and position > $2"
                " order by position limit $3",
                self.tenant,
                after,
                _CHUNK,
            )
            for row in rows:
                yield row
            if len(rows) < _CHUNK:
                return
            after = rows[-1]["position"]

    async def head(self) -> Row | None:
        """The end of the tenant's chain as audit has it; None before the first event."""
        rows = await self.rows("select * from smartops.v_tenants where tenant = $1", self.tenant)
        return rows[0] if rows else None

    async def answer(self, command: UUID) -> bytes | None:
        """What the gateway left for who gave this command, sealed to them; for ten minutes."""
        [row] = await self.rows("select smartops_vault.answer_to($1) as sealed", command)
        sealed: bytes | None = row["sealed"]
        return sealed

    # --- beneath

    async def rows(self, sql: str, *arguments: object) -> list[Row]:
        """Ask a question of the views, about this tenant.

        Raises:
            Unreachable: the database does not answer.
            Unauthorised: it does not accept the reader's password.
            Outdated: it has no such view or column.
        """
        return await self._rows(self.tenant, sql, *arguments)

    async def _rows(self, tenant: str, sql: str, *arguments: object) -> list[Row]:
        with self._mapped():
            pool = await self._open()
            async with pool.acquire(timeout=_CONNECT_SECONDS) as connection:
                if tenant != self.tenant:
                    await _choose_tenant(connection, tenant)
                return [dict(row) for row in await connection.fetch(sql, *arguments)]

    async def _open(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=4,
                    timeout=_CONNECT_SECONDS,
                    command_timeout=_QUERY_SECONDS,
                    init=_read_json,
                    setup=self._begin,
                )
            return self._pool

    async def _begin(self, connection: Any) -> None:
        # At each borrowing: the pool resets the session when a connection comes back.
        await _choose_tenant(connection, self.tenant)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (
            asyncpg.InvalidPasswordError,
            asyncpg.InvalidAuthorizationSpecificationError,
        ) as error:
            raise Unauthorised("The database", "the reader") from error
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise Outdated(str(error)) from error
        except (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
            asyncpg.TooManyConnectionsError,
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable("The database", _place(self._dsn), reason) from error
        except asyncpg.PostgresError as error:
            raise SdkError(f"the database refused to answer: {error}") from error


async def _choose_tenant(connection: Any, tenant: str) -> None:
    await connection.execute("select set_config('smartops.tenant', $1, false)", tenant)


async def _read_json(connection: Any) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )


def _event(row: Row) -> Event:
    # Listing tasks must not wait until the models of all events have been built.
    from smartops.sdk.event import Event  # noqa: PLC0415

    return Event.read(row["state"], position=row["position"])


def _place(dsn: str) -> str:
    """Host and port of a database URL, without its password."""
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
