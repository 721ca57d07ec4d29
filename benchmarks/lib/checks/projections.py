"""What people read is what a replay of the log gives."""

from __future__ import annotations

import asyncio
import time

from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.tables import Tables
from smartops.audit.checking import check
from smartops.audit.errors import LogTampered
from smartops.audit.verify import verify_all
from smartops.devstack.stack import Stack

__all__ = ["check_projections"]

LOOK_S = 0.1
_ROLE = "smartops_audit"


async def check_projections(stack: Stack, head: int, patience_s: float) -> list[str]:
    """Wait until audit has projected up to `head`, compare with a replay, verify as audit does.

    Anchors count too: each must lie on its tenant's chain.
    """
    connection = await connect(stack.postgres.dsn(_ROLE, stack.passwords[_ROLE]))
    try:
        give_up = time.monotonic() + patience_s
        while True:
            place = await Tables(connection).place()
            reached = 0 if place is None else place.position
            if reached >= head or time.monotonic() > give_up:
                break
            await asyncio.sleep(LOOK_S)
        found = [] if reached >= head else [f"audit stands at {reached}, the log at {head}"]
        try:
            report = await check(connection)
            found += [f"table {name} is not what a replay gives" for name in report.different]
        except LogTampered as error:
            found.append(f"the log cannot be replayed: {error}")
        for walked in await verify_all(connection, anchors=stack.home / "anchors"):
            found += [f"audit's verification of {walked.tenant}: {it}" for it in walked.problems]
    finally:
        await connection.close()
    return found
