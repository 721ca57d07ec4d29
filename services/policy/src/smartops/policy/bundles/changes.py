"""Who may change which policy is in force: proposed by one, signed by another, activated. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from smartops.contracts.commands import BundleActivate, BundlePropose, BundleShadow, BundleSign
from smartops.contracts.events import (
    ActorMapped,
    PolicyBundleActivated,
    PolicyBundleProposed,
    PolicyBundleShadowed,
    PolicyBundleSigned,
)
from smartops.contracts.wire import EventData
from smartops.runtime.decision import Decision, Refusal

__all__ = [
    "ADMIN",
    "Bundles",
    "Tried",
    "Who",
    "activate",
    "evolve",
    "may_change",
    "propose",
    "shadow",
    "shut_out",
    "sign",
]

ADMIN = "policy-admin"
"""The role of those who propose, sign and activate."""

NAME = "default"


@dataclass(frozen=True, slots=True)
class Bundles:
    """All that was said about the platform's bundle."""

    active: PolicyBundleActivated | None = None
    proposed: Mapping[str, PolicyBundleProposed] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """By digest."""
    signers: Mapping[str, frozenset[UUID]] = field(default_factory=lambda: MappingProxyType({}))
    """Actors who signed a digest; its proposer is never among them."""
    earlier: Mapping[str, PolicyBundleActivated] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """Everything that ever was in force, by digest."""
    shadow: PolicyBundleShadowed | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """Who gives the command, as the directory knows them."""

    principal: str
    actor: ActorMapped | None = None
    version: int = 0
    reads: tuple[tuple[str, int], ...] = ()
    """The version of the actor's stream that this rests on."""
    shut_out: str = ""
    """Why people of their tenant do not govern the platform, whatever their roles; empty: they
    do."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of putting a proposed bundle to the test."""

    digest: str
    document: str
    """Digest of the document."""
    files: int
    cases: int
    engine: str
    engine_version: str


def evolve(state: Bundles, event: EventData) -> Bundles:
    """Fold one event of `_platform/bundle-default`; never fails, never decides."""
    match event:
        case PolicyBundleProposed():
            proposed = MappingProxyType({**state.proposed, event.digest: event})
            return replace(state, proposed=proposed)
        case PolicyBundleSigned():
            signers = state.signers.get(event.digest, frozenset()) | {event.actor}
            return replace(
                state, signers=MappingProxyType({**state.signers, event.digest: signers})
            )
        case PolicyBundleActivated():
            earlier = MappingProxyType({**state.earlier, event.digest: event})
            return replace(state, active=event, earlier=earlier)
        case PolicyBundleShadowed():
            return replace(state, shadow=event if event.digest is not None else None)
        case _:
            return state


def propose(state: Bundles, command: BundlePropose, who: Who, tried: Tried) -> Decision:
    """Note a bundle that passed its test; the same one is proposed once."""
    actor = _admin(who)
    if isinstance(actor, Refusal):
        return Decision(refusal=actor, reads=who.reads)
    if (known := state.proposed.get(tried.digest)) is not None:
        return _refused(
            who, "proposed", f"{tried.digest} was proposed by {known.actor_name}", "document"
        )
    if state.active is not None and state.active.digest == tried.digest:
        return _refused(who, "active", f"{tried.digest} is in force", "document")
    proposed = PolicyBundleProposed(
        **_by(who, actor, command.reason),
        digest=tried.digest,
        document=tried.document,
        files=tried.files,
        cases=tried.cases,
        engine=tried.engine,
        engine_version=tried.engine_version,
    )
    return Decision([proposed], reads=who.reads)


def sign(state: Bundles, command: BundleSign, who: Who) -> Decision:
    """Another person than the proposer agrees."""
    actor = _admin(who)
    if isinstance(actor, Refusal):
        return Decision(refusal=actor, reads=who.reads)
    known = state.proposed.get(command.digest)
    if known is None:
        return _refused(who, "not_found", f"nobody proposed {command.digest}", "digest")
    if known.actor == actor.actor or known.principal in (who.principal, *actor.principals):
        # By credential as well: in another tenant the same person is another actor.
        return _refused(
            who, "four_eyes", f"{actor.name} proposed this bundle; another person signs it"
        )
    if actor.actor in state.signers.get(command.digest, ()):
        return _refused(who, "signed", f"{actor.name} has signed it already", "digest")
    signed = PolicyBundleSigned(
        **_by(who, actor, command.reason),
        digest=command.digest,
    )
    return Decision([signed], reads=who.reads)


def activate(state: Bundles, command: BundleActivate, who: Who) -> Decision:
    """Put a signed bundle in force, or one that was in force before: that is how one goes back."""
    actor = _admin(who)
    if isinstance(actor, Refusal):
        return Decision(refusal=actor, reads=who.reads)
    digest = command.digest
    if state.active is not None and state.active.digest == digest:
        return _refused(who, "active", f"{digest} is in force", "digest")
    earlier, proposed = state.earlier.get(digest), state.proposed.get(digest)
    if earlier is not None and earlier.document is not None:
        document, engine, version = earlier.document, earlier.engine, earlier.engine_version
    elif proposed is None:
        return _refused(who, "not_found", f"nobody proposed {digest}", "digest")
    elif not state.signers.get(digest, frozenset()) - {proposed.actor}:
        return _refused(
            who, "unsigned", f"{digest} was proposed by {proposed.actor_name} and signed by nobody"
        )
    else:
        document, engine, version = proposed.document, proposed.engine, proposed.engine_version
    activated = PolicyBundleActivated(
        digest=digest,
        engine=engine,
        engine_version=version,
        document=document,
        **_by(who, actor, command.reason),
    )
    return Decision([activated], reads=who.reads)


def shadow(state: Bundles, command: BundleShadow, who: Who) -> Decision:
    """Let a bundle that was proposed decide alongside; or let none."""
    actor = _admin(who)
    if isinstance(actor, Refusal):
        return Decision(refusal=actor, reads=who.reads)
    current = state.shadow.digest if state.shadow is not None else None
    if current == command.digest:
        said = "no bundle decides alongside" if current is None else f"{current} does so already"
        return _refused(who, "shadow", said, "digest")
    document = None
    if command.digest is not None:
        known = state.proposed.get(command.digest) or state.earlier.get(command.digest)
        document = known.document if known is not None else None
        if document is None:
            return _refused(who, "not_found", f"nobody proposed {command.digest}", "digest")
    shadowed = PolicyBundleShadowed(
        **_by(who, actor, command.reason),
        digest=command.digest,
        document=document,
    )
    return Decision([shadowed], reads=who.reads)


def _by(who: Who, actor: ActorMapped, reason: str) -> dict[str, Any]:
    """What every event of the bundle says of whose word it is."""
    return {
        "name": NAME,
        "principal": who.principal,
        "actor": actor.actor,
        "actor_name": actor.name,
        "actor_version": who.version,
        "reason": reason,
    }


def may_change(who: Who) -> Refusal | None:
    """Why somebody may not change policy, before more is done for them."""
    actor = _admin(who)
    return actor if isinstance(actor, Refusal) else None


def shut_out(tenant: str, governing: str | None, tenants: Collection[str]) -> str:
    """Why the people of a tenant do not change what holds for all; empty if they do.

    Args:
        tenant: theirs.
        governing: the one that was set up to do it.
        tenants: all there are, but for the platform itself.
    """
    if governing is not None:
        return "" if tenant == governing else f"policy is changed by people of {governing} alone"
    others = sorted(set(tenants) - {tenant})
    if not others:
        return ""
    return (
        f"policy holds for {len(others)} other tenants, too, and it is not set who governs: name "
        "a tenant in SMARTOPS_GOVERNING_TENANT"
    )


def _admin(who: Who) -> ActorMapped | Refusal:
    if who.shut_out:
        return Refusal("forbidden", who.shut_out, "tenant")
    if who.actor is None:
        return Refusal("unmapped", "this principal is mapped to no actor, so it may not do that")
    if who.actor.disabled:
        return Refusal("forbidden", f"{who.actor.name} is disabled")
    if ADMIN not in who.actor.roles:
        return Refusal("forbidden", f"{who.actor.name} is no {ADMIN}")
    return who.actor


def _refused(who: Who, code: str, message: str, field: str | None = None) -> Decision:
    return Decision(refusal=Refusal(code, message, field), reads=who.reads)
