"""A bundle that decides alongside, without authority: what is recorded is asked of it again.

It reads the log behind those who decide, and asks in a process of its own that gives way to
others; nobody waits for it. Where it stops, nothing is lost: it goes on from what it has recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from datetime import timedelta

from smartops.bus.errors import Outage
from smartops.contracts.canonical import digest as digest_of_bytes
from smartops.contracts.canonical import raw_digest
from smartops.contracts.deciding import PolicyDecision
from smartops.contracts.events import PolicyBundleShadowed
from smartops.contracts.ids import named_id
from smartops.contracts.streams import PLATFORM
from smartops.eventstore.errors import BlobCorrupt, BlobMissing, StoreError
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.units import Trigger
from smartops.policy.bundles.beside import Beside, Stuck
from smartops.policy.bundles.changes import Bundles
from smartops.policy.bundles.comparing import BEARERS, Compared, Tally, evolve, shadow_stream
from smartops.policy_engine import POLICY_ERROR
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.engines import BUNDLE
from smartops.runtime.reactor import Reactor, decode
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["Shadows"]

_log = logging.getLogger(__name__)

_PAGE = 200
"""Events read at once."""
_PAUSE = timedelta(seconds=1)
"""Between two looks at the log's end, while a bundle decides alongside."""
_IDLE = timedelta(seconds=5)
"""Between two looks whether one does."""
_PATIENCE = timedelta(seconds=10)
"""For one answer; then it counts as none, which would have been a denial."""
_OWED = 1000
"""Decisions after which the comparison is recorded though nothing differs."""
_OWED_AFTER_S = 30.0
"""The same, in seconds."""


class Shadows:
    """Compares for as long as the service runs; one bundle at a time.

    Several processes may do so at once: each stretch of the log is recorded once, since it begins
    where the last one ended.
    """

    def __init__(self, service: Service, bundles: Reactor[Bundles]) -> None:
        self._service = service
        self._store = service.store
        self._bundles = bundles
        self._compared = service.reactor(Compared(), evolve)
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._counts: Counter[str] = Counter(agreed=0, disagreed=0)
        service.telemetry.metrics.read_counter(
            "shadow_decisions",
            "Decisions that a policy bundle without authority made again.",
            lambda: {outcome: float(count) for outcome, count in self._counts.items()},
            "outcome",
        )

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="shadow")

    def stir(self) -> None:
        """Somebody set or cleared the shadow just now."""
        self._stirred.set()

    async def stop(self) -> None:
        """End; what was compared and not recorded is compared again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            try:
                shadow = (await self._bundles.folds.load(BUNDLE, fresh=True)).state.shadow
                if shadow is not None and shadow.digest is not None:
                    await self._follow(shadow, shadow.digest)
                    continue
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end this.
                known = isinstance(error, StoreError | Outage | Stuck | OSError)
                _log.warning(
                    "the shadow bundle does not decide for now: %s",
                    error,
                    exc_info=None if known else error,
                )
            self._stirred.clear()
            await self._rest(_IDLE)

    async def _follow(self, shadow: PolicyBundleShadowed, digest: str) -> None:
        """Compare by one bundle until another is set, or none."""
        if shadow.document is None:
            return
        document = await self._store.blob(PLATFORM, raw_digest(shadow.document))
        begun = cursor = await self._begun(digest)
        tallies: dict[str, Tally] = {}
        recorded_at = _now()
        async with Beside(_PATIENCE) as engine:
            told = await engine.load(document.decode())
            if "refused" in told:
                raise Stuck(told["refused"])
            with contextlib.suppress(_EndedError):
                while await self._still(shadow):
                    rows = await self._store.read_log(cursor, _PAGE, topics=BEARERS)
                    for row in rows:
                        tally = await self._tally(tallies, row.tenant, digest, begun)
                        if row.position > tally.through:
                            await self._compare(engine, told, tally, row)
                            tally.through = row.position
                        cursor = row.position
                    if await self._record_owed(tallies, due=_now() - recorded_at > _OWED_AFTER_S):
                        recorded_at = _now()
                    if len(rows) < _PAGE:
                        self._stirred.clear()
                        await self._rest(_PAUSE)
        await self._record_owed(tallies, due=True)

    async def _compare(
        self, engine: Beside, told: dict[str, str], tally: Tally, row: StoredRow
    ) -> None:
        decisions: tuple[PolicyDecision, ...] = getattr(decode(row), "decisions", ())
        for recorded in decisions:
            try:
                content = await self._store.blob(row.tenant, raw_digest(recorded.input))
            except (BlobMissing, BlobCorrupt):
                tally.not_recomputable += 1
                continue
            before = tally.disagreements
            try:
                said = await engine.decide(recorded.entrypoint, content)
            except Stuck:
                # With authority it would have denied: no answer is no permission.
                tally.compare(row.position, row.task, recorded, _denied(recorded, told))
                self._count(tally, before)
                tally.through = row.position
                raise _EndedError from None
            shadow = PolicyDecision(
                entrypoint=recorded.entrypoint,
                input=digest_of_bytes(content),
                allow=said["allow"],
                requires_approval=said["requires_approval"],
                rules=tuple(said["rules"]),
                bundle=told["digest"],
                engine=told["engine"],
                engine_version=told["engine_version"],
                quorum=said["quorum"],
                roles=tuple(said["roles"]),
            )
            tally.compare(row.position, row.task, recorded, shadow)
            self._count(tally, before)

    def _count(self, tally: Tally, before: int) -> None:
        self._counts["agreed" if tally.disagreements == before else "disagreed"] += 1

    async def _tally(
        self, tallies: dict[str, Tally], tenant: str, digest: str, begun: int
    ) -> Tally:
        tally = tallies.get(tenant)
        if tally is None:
            name = shadow_stream(tenant, digest)
            through = (await self._compared.folds.load(name, fresh=True)).state.through
            start = max(begun, through)
            tally = tallies[tenant] = Tally(digest, start, start)
        return tally

    async def _record_owed(self, tallies: dict[str, Tally], *, due: bool) -> bool:
        """Record what differs at once, what does not when enough has come together."""
        for tenant, tally in list(tallies.items()):
            compared = tally.compared + tally.not_recomputable
            if tally.disagreements or compared >= _OWED or (due and compared):
                await self._record(tenant, tally)
                del tallies[tenant]  # The next one begins where the log says this one ended.
        return due

    async def _record(self, tenant: str, tally: Tally) -> None:
        name = shadow_stream(tenant, tally.digest)
        ident = named_id("shadow", name, tally.after, tally.through)

        async def decide(state: Compared, _fresh: bool) -> Decision:  # noqa: FBT001
            if state.through > tally.after:
                return NOTHING  # Another process has recorded this stretch, or a part of it.
            return Decision([tally.event()])

        await self._compared.react(name, Cause(Trigger("policy.shadow", ident), None), decide)

    async def _still(self, shadow: PolicyBundleShadowed) -> bool:
        return (await self._bundles.folds.load(BUNDLE, fresh=True)).state.shadow == shadow

    async def _begun(self, digest: str) -> int:
        """From which position on the bundle decides alongside: what came before is not its."""
        begun = 0
        for row in await self._store.read_stream(BUNDLE):
            event = decode(row)
            if isinstance(event, PolicyBundleShadowed) and event.digest == digest:
                begun = row.position
        return begun

    async def _rest(self, span: timedelta) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(span.total_seconds()):
                await self._stirred.wait()


def _now() -> float:
    return asyncio.get_running_loop().time()


class _EndedError(Exception):
    """The process gave no answer and was ended: another one goes on."""


def _denied(recorded: PolicyDecision, told: dict[str, str]) -> PolicyDecision:
    return PolicyDecision(
        entrypoint=recorded.entrypoint,
        input=recorded.input,
        allow=False,
        requires_approval=True,
        rules=(POLICY_ERROR,),
        bundle=told["digest"],
        engine=told["engine"],
        engine_version=told["engine_version"],
    )
