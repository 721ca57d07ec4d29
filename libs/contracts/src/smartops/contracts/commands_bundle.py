"""Commands about policy bundles. Who gives them holds the role `policy-admin`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from smartops.contracts.packing import MAX_PACKED
from smartops.contracts.wire import CommandData, Digest

__all__ = ["BundleActivate", "BundlePropose", "BundleShadow", "BundleSign"]

_Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class BundlePropose(CommandData):
    """Propose a bundle. Refused where it does not compile, or decides its own cases otherwise."""

    name: ClassVar[str] = "bundle.propose"

    document: Annotated[str, Field(min_length=1, max_length=MAX_PACKED)]
    """One JSON object of file texts by path, deflated, in base64."""
    reason: _Reason


class BundleSign(CommandData):
    """Agree, as another person than who proposed it, that a bundle may come in force."""

    name: ClassVar[str] = "bundle.sign"

    digest: Digest
    reason: _Reason


class BundleActivate(CommandData):
    """Put a bundle in force that was signed, or that was in force before."""

    name: ClassVar[str] = "bundle.activate"

    digest: Digest
    reason: _Reason


class BundleShadow(CommandData):
    """Let a bundle decide alongside, without authority; none ends that."""

    name: ClassVar[str] = "bundle.shadow"

    digest: Digest | None
    reason: _Reason
