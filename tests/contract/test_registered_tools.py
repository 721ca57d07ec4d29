"""What other services' tests take for the gateway's tools is what the gateway registers."""

from __future__ import annotations

import pytest
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.tools import fleet_tools, noop_tools
from support.registered import FILE, TOOLS


class NoDriver:
    """Nobody is called."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        raise AssertionError(f"{outbound.tool} was called")

    async def close(self) -> None: ...


def test_the_registered_tools_are_those_of_the_gateway(request: pytest.FixtureRequest) -> None:
    theirs = tuple(made.descriptor for made in (*fleet_tools(NoDriver()), *noop_tools()))
    if request.config.getoption("--update-golden"):
        FILE.write_bytes(TOOLS.dump_json(theirs, indent=2) + b"\n")
    assert TOOLS.validate_json(FILE.read_bytes()) == theirs
