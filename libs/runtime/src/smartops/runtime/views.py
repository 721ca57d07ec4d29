"""Foreign streams as their published folds, read from the log and remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import JsonValue
from pydantic_core import from_json
from smartops.contracts.canonical import raw_digest
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.errors import ContractError
from smartops.contracts.folds import (
    ActorView,
    AutonomyDefault,
    AutonomyView,
    BundleView,
    CallView,
    GateView,
    RunView,
    StandingView,
    TargetView,
    TaskView,
    ToolView,
    evolve_actor,
    evolve_autonomy,
    evolve_autonomy_default,
    evolve_bundle,
    evolve_call,
    evolve_gate,
    evolve_run,
    evolve_standing,
    evolve_target,
    evolve_task,
    evolve_tool,
)
from smartops.contracts.streams import parse_stream
from smartops.contracts.wire import EventData
from smartops.eventstore.folds import Folded, Folds
from smartops.eventstore.store import EventStore
from smartops.runtime.cues import Cue
from smartops.runtime.reactor import decode

__all__ = ["NotInLog", "Views"]

S = TypeVar("S")


class NotInLog(ContractError):
    """A message tells of an event that the log does not hold: forged, or from another database."""

    code = "not_in_log"


class Views:
    """One cache per category of foreign streams."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._caches: list[Folds[Any]] = []
        self.task: Folds[TaskView] = self._folds(TaskView(), evolve_task)
        self.gate: Folds[GateView] = self._folds(GateView(), evolve_gate)
        self.run: Folds[RunView] = self._folds(RunView(), evolve_run)
        self.call: Folds[CallView] = self._folds(CallView(), evolve_call)
        self.target: Folds[TargetView] = self._folds(TargetView(), evolve_target)
        self.tool: Folds[ToolView] = self._folds(ToolView(), evolve_tool)
        self.actor: Folds[ActorView] = self._folds(ActorView(), evolve_actor)
        self.standing: Folds[StandingView] = self._folds(StandingView(), evolve_standing)
        self.bundle: Folds[BundleView] = self._folds(BundleView(), evolve_bundle)
        self.autonomy: Folds[AutonomyView] = self._folds(AutonomyView(), evolve_autonomy)
        self.autonomy_default: Folds[AutonomyDefault] = self._folds(
            AutonomyDefault(), evolve_autonomy_default
        )

    def __len__(self) -> int:
        return sum(map(len, self._caches))

    async def event(self, cue: Cue, claimed: EventData | None = None) -> EventData:
        """The very event that a cue points at.

        Args:
            cue: where it is.
            claimed: what the cue claims, if that was read already: the same bytes are not read
                twice.

        Raises:
            NotInLog: as `verified`.
        """
        self._check_category(cue)
        rows = await self._store.read_stream(cue.stream, cue.version - 1, 1)
        if not rows or rows[0].event_id != cue.id or rows[0].topic != cue.topic:
            raise NotInLog(f"{cue.stream} holds no event {cue.id} at version {cue.version}")
        if claimed is not None and rows[0].state == cue.state:
            return claimed
        return decode(rows[0])

    async def verified(self, folds: Folds[S], cue: Cue) -> Folded[S]:
        """The fold of the cue's stream, at least up to the event it points at.

        Raises:
            NotInLog: the log holds no such event there, or a category that may not say it.
        """
        self._check_category(cue)
        folded = await folds.load(cue.stream, at_least=cue.version)
        if (
            folded.version < cue.version
            or folded.ids[cue.version - 1] != cue.id
            or folded.topics[cue.version - 1] != cue.topic
        ):
            raise NotInLog(f"{cue.stream} holds no event {cue.id} at version {cue.version}")
        return folded

    async def output(self, tenant: str, call: CallView) -> JsonValue:
        """What a call brought out, also when it is too large to stand in its event.

        Raises:
            BlobMissing: the log does not hold it.
        """
        if call.output is not None or call.output_digest is None:
            return call.output
        output: JsonValue = from_json(
            await self._store.blob(tenant, raw_digest(call.output_digest))
        )
        return output

    @staticmethod
    def _check_category(cue: Cue) -> None:
        try:
            category = parse_stream(cue.stream).category
        except ValueError as error:
            raise NotInLog(str(error), field="source") from error
        if category not in EVENTS[cue.topic].decided_by.values():
            raise NotInLog(f"{cue.topic} cannot stand in {cue.stream}", field="source")

    def _folds(self, initial: S, evolve: Callable[[S, EventData], S]) -> Folds[S]:
        evolving: Any = evolve
        folds = Folds(self._store, initial=initial, decode=decode, evolve=evolving)
        self._caches.append(folds)
        return folds
