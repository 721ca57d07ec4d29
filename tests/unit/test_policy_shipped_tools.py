"""The lists of the shipped policy know the shipped tools, by the names they really have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from smartops.contracts.wire import Category
from smartops.policy_engine import RegorusEngine, default_bundle_path
from support.policy_documents import gate, plan
from support.registered import REGISTERED

DATA: dict[str, Any] = json.loads((default_bundle_path() / "data.json").read_text("utf-8"))
DANGEROUS = {"failover", "failback", "terminate", "destroy", "drill"}
WRITES = {name for name, made in REGISTERED.items() if made.category is not Category.READ}
LOOKS = set(REGISTERED) - WRITES
FAILOVERS = sorted(name for name in WRITES if "failover" in name)
LISTS = {
    "dangerous": DATA["tools"]["dangerous"],
    "always approved": DATA["gate"]["always_approve"],
    "in need of a test": DATA["evidence"]["failovers"],
}


@pytest.fixture(scope="module")
def engine() -> RegorusEngine:
    return RegorusEngine.load(default_bundle_path())


def listed(name: str, tools: dict[str, list[str]]) -> bool:
    return name in tools["names"] or name.startswith(tuple(tools["prefixes"]))


def test_there_is_something_to_look_at() -> None:
    assert FAILOVERS == ["execute_failover"]


@pytest.mark.parametrize("what", ["dangerous", "always approved"])
def test_a_tool_that_sounds_dangerous_is_on_the_list(what: str) -> None:
    sounds = {name for name in WRITES if DANGEROUS & {*name.replace(".", "_").split("_")}}
    assert {name for name in sounds if not listed(name, LISTS[what])} == set()


def test_a_failover_is_known_as_one() -> None:
    assert [name for name in FAILOVERS if not listed(name, LISTS["in need of a test"])] == []


@pytest.mark.parametrize("kinds", ["version_comparison", "dr_tests"])
def test_evidence_that_is_asked_for_can_be_had(kinds: str) -> None:
    assert LOOKS & set(DATA["evidence"][kinds]), "some shipped read gives it"


@pytest.mark.parametrize("environment", ["development", "sandbox", "staging"])
def test_the_shipped_failover_never_goes_by_itself(engine: RegorusEngine, environment: str) -> None:
    """It can be taken back, so nothing else holds it where the mode is full autonomy."""
    there: dict[str, Any] = {"environment": environment, "type": "runbook"}
    tested = ({"kind": "simulate_failover", "age_ms": 0},)
    for tool in FAILOVERS:
        made = plan(**there, step={"tool": tool}, evidence=tested)
        asked = engine.decide("plan", made.canonical_bytes())
        assert (asked.allow, asked.requires_approval) == (True, True)
        assert "sop_safety.approval.dangerous_action" in asked.rules
        untested = plan(**there, step={"tool": tool}, evidence=())
        refused = engine.decide("plan", untested.canonical_bytes())
        assert refused.rules == ("plan_safety.dr_test_missing",)
        at_gate = gate(environment=environment, mode="full_auto", tool_modes={tool: "full_auto"})
        waits = engine.decide("gate", at_gate.canonical_bytes())
        assert waits.requires_approval
        assert "gate.approval.tool" in waits.rules
