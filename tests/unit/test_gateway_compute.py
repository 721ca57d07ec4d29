"""The gateway registers the computed step, and runs nobody's code."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from smartops.contracts.computing import COMPUTE
from smartops.contracts.wire import Category, Risk
from smartops.tool_gateway.ports import NotApplied, Outbound
from smartops.tool_gateway.tools import Registry, compute_tools


async def test_it_is_known_as_a_read_that_only_plans_and_is_not_carried_out() -> None:
    tool = Registry(compute_tools()).get(COMPUTE)
    assert tool is not None
    assert (tool.descriptor.category, tool.descriptor.risk) == (Category.READ, Risk.PLAN_ONLY)
    outbound = Outbound(
        tool=COMPUTE,
        target="all",
        arguments={"code": "raise SystemExit"},
        key=UUID(int=1),
        headers={},
        timeout=timedelta(seconds=1),
    )
    answer = await tool.driver.call(outbound)
    assert isinstance(answer, NotApplied)
    assert (answer.code, answer.retryable) == ("not_carried_out_here", False)
