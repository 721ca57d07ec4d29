"""Tasks, and how they are carried out."""

from __future__ import annotations

from uuid import UUID

from smartops.sdk.errors import NotFound
from smartops.sdk.reader.database import Database, Row
from smartops.sdk.reader.finding import find

__all__ = ["Tasks"]


class Tasks(Database):
    """Tasks with their plans, runs and phases."""

    async def find_task(self, text: str) -> UUID:
        """The task that an id, or the beginning of one, names.

        Raises:
            NotFound: none does, or the beginning is too short.
            Ambiguous: several do.
        """
        return await find(
            self,
            text,
            "select task from smartops.v_tasks"
            " where tenant = $1 and task >= $2 and task <= $3 order by task limit 5",
            noun="task",
            listed_by="smartops tasks",
        )

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
