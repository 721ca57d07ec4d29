"""Changing the policy in force of a house."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from smartops.contracts.commands import BundleActivate, BundlePropose, BundleSign
from smartops.contracts.events import PolicyBundleActivated
from smartops.contracts.packing import pack
from smartops.policy_engine import Bundle
from support.stacks import House

__all__ = ["activate", "agreed", "in_force", "stopped"]


async def agreed(house: House, bundle: Bundle) -> None:
    """Propose a bundle, and have another person sign it."""
    document = pack(bundle.document())
    await house.operator.change_bundle(BundlePropose(document=document, reason="freeze"))
    await house.approver.change_bundle(BundleSign(digest=bundle.digest, reason="read it"))


async def activate(house: House, to: str) -> int:
    """Put a bundle in force; the position from which on it is."""
    event = await house.operator.change_bundle(BundleActivate(digest=to, reason="as agreed"))
    assert isinstance(event.data, PolicyBundleActivated)
    assert event.position is not None
    return event.position


async def in_force(house: House) -> dict[str, Any]:
    """The bundle that decides."""
    [active] = [row for row in await house.reader.bundles() if row["active"]]
    return active


@contextmanager
def stopped(house: House, service: str) -> Iterator[None]:
    """A service that does nothing meanwhile, and goes on with what it knew."""
    pid = house.stack.services[service].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
