"""Changes of the policy in force: who may, what passes its test, and what is decided of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from smartops.contracts.commands import BundleActivate, BundlePropose, BundleShadow, BundleSign
from smartops.contracts.errors import Malformed
from smartops.contracts.packing import unpack
from smartops.contracts.streams import PLATFORM
from smartops.policy.actors import Directory
from smartops.policy.bundles import changes as bundling
from smartops.policy.bundles.beside import Beside, Stuck
from smartops.policy.bundles.changes import Bundles, Tried, Who
from smartops.policy_engine.bundle import MAX_BUNDLE_BYTES
from smartops.runtime.cues import Order
from smartops.runtime.decision import NOTHING, Decision, Refusal
from smartops.runtime.engines import BUNDLE
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.recording import command_stream
from smartops.runtime.service import Service

__all__ = ["Governance"]

Change = BundlePropose | BundleSign | BundleActivate | BundleShadow

_PATIENCE = timedelta(seconds=30)
"""For a proposed bundle to compile and decide its cases; ours takes a quarter of a second."""

_MOST_SAID = 20
"""Failed cases told in a refusal."""


class Governance:
    """Decides on the platform's bundle.

    The stream belongs to the platform, the person to a tenant. A unit writes one tenant's streams,
    so what is refused is told in the tenant of who asked, and rests on the version of the other.
    """

    def __init__(
        self,
        service: Service,
        bundles: Reactor[Bundles],
        directory: Directory,
        on_change: Callable[[], None],
        governing: str | None,
    ) -> None:
        self._service = service
        self._bundles = bundles
        self._answers = service.reactor(None, lambda state, _event: state)
        self._directory = directory
        self._on_change = on_change
        self._governing = governing

    async def change(self, order: Order[Change]) -> Reaction:
        """A person proposes, signs, activates, or sets the shadow."""
        tried: Tried | Refusal | None = None
        document = b""
        if isinstance(order.data, BundlePropose):
            # Nobody gets a bundle compiled who may not propose one.
            tried = bundling.may_change(await self._who(order, fresh=True))
            if tried is None:
                tried, document = await _try(order.data.document)
        cause = self._service.orders.cause(order, None)

        async def decide(state: Bundles, fresh: bool) -> Decision:  # noqa: FBT001
            decision = self._decide(state, order.data, await self._who(order, fresh=fresh), tried)
            if decision.refusal is not None:
                raise _RefusedError(decision)
            return replace(decision, blobs=[document] if document else [])

        async def refuse(_state: None, fresh: bool) -> Decision:  # noqa: FBT001
            folded = await self._bundles.folds.load(BUNDLE, fresh=True)
            who = await self._who(order, fresh=fresh)
            decision = self._decide(folded.state, order.data, who, tried)
            if decision.refusal is None:
                raise _AcceptedError
            return replace(decision, reads=(*decision.reads, (BUNDLE, folded.version)))

        while True:
            try:
                reaction = await self._bundles.react(BUNDLE, cause, decide)
            except _RefusedError:
                pass
            else:
                self._on_change()
                return reaction
            try:
                return await self._answers.react(command_stream(order), cause, refuse, new=True)
            except _AcceptedError:
                continue  # Somebody changed it in between.

    @staticmethod
    def _decide(
        state: Bundles, command: Change, who: Who, tried: Tried | Refusal | None
    ) -> Decision:
        match command:
            case BundlePropose():
                if isinstance(tried, Tried):
                    return bundling.propose(state, command, who, tried)
                return NOTHING if tried is None else Decision(refusal=tried, reads=who.reads)
            case BundleSign():
                return bundling.sign(state, command, who)
            case BundleActivate():
                return bundling.activate(state, command, who)
            case BundleShadow():
                return bundling.shadow(state, command, who)

    async def _who(self, order: Order[Change], *, fresh: bool) -> Who:
        tenants = {head.tenant for head in await self._service.store.heads()} - {PLATFORM}
        why = bundling.shut_out(order.tenant, self._governing, tenants)
        known = await self._directory.find(order.tenant, order.principal, fresh=fresh)
        if known is None:
            return Who(order.principal, shut_out=why)
        reads = ((known.stream, known.version),)
        return Who(order.principal, known.mapped, known.version, reads, why)


class _RefusedError(Exception):
    """It is refused: that is told elsewhere than where it would have been accepted."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.refusal)


class _AcceptedError(Exception):
    """By now it would be accepted."""


async def _try(packed: str) -> tuple[Tried | Refusal, bytes]:
    """Put a bundle to its own test, in a process that can be ended."""
    try:
        document = unpack(packed, max_bytes=2 * MAX_BUNDLE_BYTES)
        text = document.decode()
    except (Malformed, UnicodeDecodeError) as error:
        return Refusal("malformed", str(error), "document"), b""
    try:
        async with Beside(_PATIENCE) as engine:
            told = await engine.load(text)
    except Stuck as error:
        return Refusal("bundle_refused", f"it could not be tried: {error}", "document"), b""
    if "refused" in told:
        return Refusal("bundle_refused", told["refused"], "document"), b""
    if told["failures"]:
        return Refusal("bundle_refused", _failed(told["failures"]), "document"), b""
    # What is stored is what the bundle writes itself as: the same bundle, the same bytes.
    content: bytes = told["document"].encode()
    tried = Tried(
        digest=told["digest"],
        document=told["document_digest"],
        files=told["files"],
        cases=told["cases"],
        engine=told["engine"],
        engine_version=told["engine_version"],
    )
    return tried, content


def _failed(failures: list[dict[str, str]]) -> str:
    said = [f"{one['file']}: {one['name']}: {one['difference']}" for one in failures[:_MOST_SAID]]
    if len(failures) > _MOST_SAID:
        said.append(f"and {len(failures) - _MOST_SAID} more")
    return "; ".join(said)
