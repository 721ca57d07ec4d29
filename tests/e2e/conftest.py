"""One installation for all tests that leave it as they found it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.stacks import House, house_at


@pytest.fixture(scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Every service, a fleet of 32 drifted servers, and the people."""
    async with house_at(tmp_path_factory.mktemp("house"), servers=64) as house:
        yield house
