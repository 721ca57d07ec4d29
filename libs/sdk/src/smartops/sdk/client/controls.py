"""Control of a task that is under way, from the gentle to the grave."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from smartops.contracts.commands import GrantRevoke, RunHalt, RunPause, RunResume, TaskCancel
from smartops.sdk import effects
from smartops.sdk.client.connection import DEFAULT_PATIENCE, Connection
from smartops.sdk.results import Done

__all__ = ["Controls"]


class Controls(Connection):
    """Stopping work, and letting it go on."""

    async def pause(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Let nothing more go out until resumed; `task.paused` follows once nothing is in flight.

        Raises:
            Refused: nothing is under way, or it is being rolled back.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = RunPause(task=task, reason=reason)
        return await self._control(command, task, effects.PAUSE, id, patience)

    async def resume(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Go on after a pause.

        Raises:
            Refused: it is not paused, or its grant was taken back.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = RunResume(task=task, reason=reason)
        return await self._control(command, task, effects.RESUME, id, patience)

    async def cancel(
        self,
        task: UUID,
        reason: str,
        *,
        keep_changes: bool = False,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """End a task; what is reversible is taken back unless the changes are to be kept.

        Returns when that is decided, not when it is done: `watch` tells.

        Raises:
            Refused: the task has ended already.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = TaskCancel(task=task, reason=reason, keep_changes=keep_changes)
        return await self._control(command, task, effects.CANCEL, id, patience)

    async def revoke(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Take the current grant back: nothing more is dispatched under it.

        Raises:
            Refused: nothing was granted, or the run has ended.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = GrantRevoke(task=task, reason=reason)
        return await self._control(command, task, effects.REVOKE, id, patience)

    async def halt(
        self,
        task: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Emergency stop: nothing goes out any more, not even undo.

        Raises:
            Refused: the task has ended already.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        command = RunHalt(task=task, reason=reason)
        return await self._control(command, task, effects.HALT, id, patience)
