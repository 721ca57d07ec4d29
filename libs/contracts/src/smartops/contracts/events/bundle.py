"""Policy bundles: proposed, signed off, put in force; and what another one would have decided.

All but the last in `_platform/bundle-<name>`, decided by policy. A bundle is named by the digest of
its files; its document, one JSON object of file texts, is a blob of the platform.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.deciding import Change, PolicyDecision
from smartops.contracts.wire import Digest, EventData, LongText, ShortText, Wire

__all__ = [
    "Disagreement",
    "PolicyBundleActivated",
    "PolicyBundleActivatedV1",
    "PolicyBundleProposed",
    "PolicyBundleShadowed",
    "PolicyBundleSigned",
    "PolicyShadowCompared",
]

MAX_TOLD = 50
"""Disagreements told one by one in one comparison; more are counted."""


class _OfBundle(EventData):
    name: ShortText
    """Which of the platform's bundles: `default`."""


class _ByPerson(_OfBundle):
    principal: ShortText
    actor: UUID
    actor_name: ShortText
    actor_version: int
    """The version of the actor's stream that this was decided on."""
    reason: LongText


class PolicyBundleProposed(_ByPerson):
    """Somebody wants this bundle in force; it compiles, and decides its own cases as they say."""

    topic: ClassVar[str] = "policy.bundle.proposed"

    digest: Digest
    document: Digest
    files: int = Field(ge=1)
    cases: int = Field(ge=0)
    engine: ShortText
    """The engine that it was tried on."""
    engine_version: ShortText


class PolicyBundleSigned(_ByPerson):
    """Another person than the proposer agrees that it may come in force."""

    topic: ClassVar[str] = "policy.bundle.signed"

    digest: Digest


class _Activated(_OfBundle):
    digest: Digest
    engine: ShortText
    engine_version: ShortText


class PolicyBundleActivated(_Activated):
    """A policy bundle is in force, from this position of the log on."""

    topic: ClassVar[str] = "policy.bundle.activated"
    schema_version: ClassVar[int] = 2

    document: Digest | None
    """None: version 1, which kept no copy of it."""
    principal: ShortText | None = None
    """Who put it in force; None: policy itself, at its first start."""
    actor: UUID | None = None
    actor_name: ShortText | None = None
    actor_version: int | None = None
    reason: LongText = ""


# It kept no copy: whoever has another bundle could not know this one.
class PolicyBundleActivatedV1(_Activated):
    """A policy bundle is in force. In `_platform/bundle-<name>`, decided by policy."""

    topic: ClassVar[str] = "policy.bundle.activated"


class PolicyBundleShadowed(_ByPerson):
    """From here on this bundle decides alongside, without authority; None: no bundle does."""

    topic: ClassVar[str] = "policy.bundle.shadowed"

    digest: Digest | None
    document: Digest | None


class Disagreement(Wire):
    """One decision that the shadow would have made otherwise."""

    position: int = Field(ge=1)
    """Of the event that recorded it."""
    task: UUID | None
    change: Change
    recorded: PolicyDecision
    shadow: PolicyDecision


class PolicyShadowCompared(EventData):
    """A stretch of the log decided again, in `<tenant>/bundle-shadow/<digest>`."""

    topic: ClassVar[str] = "policy.shadow.compared"

    digest: Digest
    """The shadow's."""
    after: int = Field(ge=0)
    through: int = Field(ge=1)
    """Positions above the first and up to the second were looked at."""
    compared: int = Field(ge=0)
    """Decisions that were made again."""
    not_recomputable: int = Field(ge=0)
    """Whose inputs are not in the log."""
    disagreements: int = Field(ge=0)
    told: Annotated[tuple[Disagreement, ...], Field(max_length=MAX_TOLD)] = ()
    """The first of them."""
