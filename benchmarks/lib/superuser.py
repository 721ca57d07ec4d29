"""On the bus with the credential of anybody, or of one who may do everything.

Only experiments have such a user.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from smartops.bus.api import API, BusClient
from smartops.bus.connection import close, connect
from smartops.bus.users import Account, BusUser, inbox_prefix
from smartops.devstack.secrets import Credentials
from smartops.devstack.stack import Stack

__all__ = ["bus_superuser", "on_the_bus", "superuser"]

NAME = "superuser"


def superuser(home: Path) -> BusUser:
    """The user, for the options of a stack that will live in this home."""
    key = Credentials(home).nats_users([NAME])[NAME].public_key
    return BusUser(NAME, key, Account.STREAMS, publish=(">",), subscribe=(">",))


@asynccontextmanager
async def bus_superuser(stack: Stack) -> AsyncIterator[BusClient]:
    """A connection of that user, in the account of the streams; it does not hear itself."""
    async with on_the_bus(stack, NAME, api=API) as nats:
        yield nats


@asynccontextmanager
async def on_the_bus(
    stack: Stack, credential: str, *, api: str | None = None
) -> AsyncIterator[BusClient]:
    """A connection with one of the stack's credentials; it does not hear itself."""
    nats = await connect(
        stack.nats.url,
        name=credential,
        inbox_prefix=inbox_prefix(credential),
        seed_path=stack.credentials.directory / f"{credential}.nk",
        api=api,
    )
    try:
        yield nats
    finally:
        await close(nats)
