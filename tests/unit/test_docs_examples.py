"""The longer examples do what their pages say."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.commands import IntentContext
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.plan import Requester
from smartops.contracts.wire import Category, Environment
from smartops.planner.agents.base import Draft, Misunderstood
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound
from smartops.tool_gateway.tools import Registry, fleet_tools
from support.handbook import ROOT, blocks

HOW_TO = ROOT / "docs" / "how-to"


def example(page: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program on a page, as a module."""
    (block,) = blocks(HOW_TO / page, "python run")
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    exec(compile(block.text, page, "exec"), module.__dict__)
    return module


def submitted(intent: str) -> TaskSubmitted:
    return TaskSubmitted(
        intent=intent,
        environment=Environment.PRODUCTION,
        context=IntentContext(),
        source="api",
        requester=Requester(principal="somebody", authtype="local"),
        command=uuid4(),
        content=digest(b""),
    )


def test_the_example_agent_plans_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    agent: Any = example("add-an-agent.md", monkeypatch).agent
    driver: Any = None
    tools = {tool.descriptor.name: tool.descriptor for tool in fleet_tools(driver)}
    asked = submitted("Drain web-03")
    assert agent.suits(asked)
    assert not agent.suits(submitted("Fix drift on web servers"))
    spec = agent.specify(asked)
    assert isinstance(spec, TaskSpec)
    (question,) = agent.questions(asked, spec)
    assert (question.tool, question.target) == ("get_asset", "web-03")
    assert set(agent.tools(asked)) <= set(tools)

    draft = agent.draft(asked, spec, {question.kind: {"environment": "production"}}, tools)
    assert isinstance(draft, Draft)
    (step,) = draft.phases[0].steps
    assert (step.tool, step.target) == ("drain_server", "web-03")
    assert step.undo is not None
    assert step.undo.tool == "undrain_server"

    elsewhere = agent.draft(asked, spec, {question.kind: {"environment": "staging"}}, tools)
    assert isinstance(elsewhere, Misunderstood)


def test_the_example_tool_answers_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = example("add-a-tool.md", monkeypatch)
    tools = Registry(module.tools)
    write = tools.get("set_flag")
    assert write is not None
    assert write.descriptor.category is Category.REVERSIBLE
    assert write.descriptor.before == "get_flag"

    def call(flag: str) -> Any:
        outbound = Outbound(
            tool="set_flag",
            target=flag,
            arguments={"flag": flag, "enabled": True},
            key=uuid4(),
            headers={},
            timeout=timedelta(seconds=1),
        )
        return asyncio.run(write.driver.call(outbound))

    assert call("dark-mode") == Answer({"flag": "dark-mode", "enabled": True})
    assert isinstance(call("no-such-flag"), NotApplied)
