"""What other services' tests take for the gateway's tools is what the gateway registers."""

from __future__ import annotations

import pytest
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.tools import Drivers, compute_tools, control_tools, noop_tools
from smartops.tool_gateway.tools.observe import latency_tools, prometheus_tools
from support.registered import FILE, TOOLS


class NoDriver:
    """Nobody is called."""

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        raise AssertionError(f"{outbound.tool} was called")

    async def close(self) -> None: ...


def test_the_registered_tools_are_those_of_the_gateway(request: pytest.FixtureRequest) -> None:
    tools = control_tools(Drivers(*[NoDriver()] * 4), ("127.0.0.1",))
    looks = (
        *latency_tools(NoDriver(), ("127.0.0.1",)),
        *prometheus_tools(NoDriver(), ("127.0.0.1",)),
    )
    theirs = tuple(made.descriptor for made in (*tools, *looks, *noop_tools(), *compute_tools()))
    if request.config.getoption("--update-golden"):
        FILE.write_bytes(TOOLS.dump_json(theirs, indent=2) + b"\n")
    assert TOOLS.validate_json(FILE.read_bytes()) == theirs
