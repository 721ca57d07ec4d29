"""The documents that policies decide on, and how one is built from a plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError
from smartops.contracts.plan import AgentRef, Phase, Plan, PlanHeader, Requester, Step, UndoTemplate
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Check, Idempotence, Risk, Scope
from smartops.policy_engine import (
    EvidenceInput,
    InputDocument,
    RegorusEngine,
    default_bundle_path,
    plan_input,
)
from support.policy_documents import TASK, call, gate, plan, vote

APPLY = ToolDescriptor(
    name="config.apply",
    version="1.0.0",
    description="Applies a baseline.",
    category=Category.REVERSIBLE,
    risk=Risk.STATE_CHANGE_PROD,
    scope=Scope.ASSET,
    idempotence=Idempotence.IDEMPOTENT,
    timeout_ms=1000,
    undo_tool="config.restore",
    input_schema={},
    output_schema={},
)
LOOK = ToolDescriptor(**dict(APPLY) | {"name": "config.read", "category": Category.READ})
CHANGED = ToolDescriptor(**dict(APPLY) | {"timeout_ms": 2000})
TOOLS = {(tool.name, tool.version): tool for tool in (APPLY, LOOK)}


def find(name: str, version: str) -> ToolDescriptor | None:
    return TOOLS.get((name, version))


def step(target: str, tool: ToolDescriptor = APPLY, *, undo: bool = True, at: str = "") -> Step:
    return Step(
        id=f"{tool.name}/{target}{at}",
        tool=tool.name,
        version=tool.version,
        category=tool.category,
        schema_digest=tool.digest(),
        target=target,
        arguments={"baseline": "web-1.4"},
        undo=UndoTemplate(tool="config.restore", version="1.0.0", arguments={}) if undo else None,
    )


def planned(*phases: tuple[Step, ...], total_assets: int = 0, **header: Any) -> Plan:
    return Plan(
        header=PlanHeader(
            task=TASK,
            number=3,
            tenant="acme",
            environment=header.pop("environment", "production"),
            type="drift_plan",
            agent=AgentRef(name="drift", version="1.0.0"),
            requester=Requester(principal="ana", authtype="local"),
            goal="Fix drift",
            summary="Applies the baseline.",
            total_assets=total_assets,
            phases=tuple(
                Phase(
                    name="Canary" if index == 0 else f"Wave {index}",
                    steps=tuple(member.hash() for member in members),
                    wait_ms=5,
                    checks=(Check(type="http_200", window_ms=3000), Check(type="http_200")),
                    rollback_if="error_rate > 1%",
                )
                for index, members in enumerate(phases)
            ),
            **header,
        ),
        steps=tuple(member for members in phases for member in members),
    )


SURROUNDINGS: dict[str, Any] = {
    "autonomy_level": 2,
    "mode": "risk_based",
    "evidence": (
        EvidenceInput(kind="query_assets", age_ms=60_000),
        EvidenceInput(kind="get_golden_image", age_ms=60_000),
    ),
    "requester_roles": ("operator",),
    "token_budget_exhausted": False,
    "rehearsed": lambda _step: False,
}


def test_a_plan_becomes_the_document_that_policy_decides_on() -> None:
    document = plan_input(
        planned(
            (step("web-1", LOOK, undo=False), step("web-1")),
            (step("web-2"), step("web-3", undo=False)),
            total_assets=20,
            approval_requested=True,
        ),
        registry=find,
        **SURROUNDINGS,
    )
    assert (document.task, document.number, document.agent) == (TASK, 3, "drift")
    assert (document.requester, document.approval_requested) == ("ana", True)
    assert document.total_assets == 20
    assert [(phase.name, phase.assets) for phase in document.phases] == [
        ("Canary", ("web-1",)),
        ("Wave 1", ("web-2", "web-3")),
    ]
    assert [(phase.steps, phase.writes) for phase in document.phases] == [(2, 1), (2, 2)]
    assert {(p.health_checks, p.wait_ms, p.watch_ms) for p in document.phases} == {(2, 5, 3000)}
    assert [(each.phase, each.category, each.reversible) for each in document.steps] == [
        (0, Category.READ, False),
        (0, Category.REVERSIBLE, True),
        (1, Category.REVERSIBLE, True),
        (1, Category.REVERSIBLE, False),
    ]
    assert document.steps[1].arguments == {"baseline": "web-1.4"}


def test_the_engine_decides_on_it() -> None:
    engine = RegorusEngine.load(default_bundle_path())
    document = plan_input(
        planned((step("web-1"),), (step("web-2"),), environment="staging"),
        registry=find,
        **SURROUNDINGS,
    )
    verdict = engine.decide("plan", document.canonical_bytes())
    assert verdict.rules == ("plan.auto.reversible_outside_production",)


@pytest.mark.parametrize(
    "registry",
    [
        lambda _name, _version: None,
        lambda _name, _version: CHANGED,
        lambda _name, _version: LOOK,
    ],
    ids=["gone", "changed since", "another"],
)
def test_a_tool_that_is_gone_or_changed_is_not_registered(
    registry: Callable[[str, str], ToolDescriptor | None],
) -> None:
    document = plan_input(planned((step("web-1"),)), registry=registry, **SURROUNDINGS)
    (only,) = document.steps
    assert (only.registered, only.category, only.reversible) == (False, None, False)
    assert document.phases[0].writes == 1, "what is unknown counts as a write"


def test_a_step_that_misstates_its_category_is_not_registered() -> None:
    lying = step("web-1").model_copy(update={"category": Category.READ})
    document = plan_input(planned((lying,)), registry=find, **SURROUNDINGS)
    assert not document.steps[0].registered
    assert document.phases[0].writes == 1


@pytest.mark.parametrize(
    ("stated", "given", "used"), [(0, None, 2), (1, None, 2), (50, None, 50), (50, 10, 10)]
)
def test_the_scope_is_never_smaller_than_what_is_changed(
    stated: int, given: int | None, used: int
) -> None:
    whole = planned((step("web-1"),), (step("web-2"),), total_assets=stated)
    document = plan_input(whole, registry=find, **SURROUNDINGS, total_assets=given)
    assert document.total_assets == used


def test_reads_make_the_scope_no_larger_however_many() -> None:
    looks = tuple(step(f"web-{number}", tool=LOOK, undo=False) for number in range(50))
    padded = planned((step("web-1"),), (step("web-2"), step("web-3")), looks)
    bare = planned((step("web-1"),), (step("web-2"), step("web-3")))
    documents = [plan_input(whole, registry=find, **SURROUNDINGS) for whole in (padded, bare)]
    assert [document.total_assets for document in documents] == [3, 3]
    assert plan_input(planned(looks), registry=find, **SURROUNDINGS).total_assets == 1
    engine = RegorusEngine.load(default_bundle_path())
    for document in documents:
        assert "plan.phase_too_large" in engine.decide("plan", document.canonical_bytes()).rules
    elsewhere = planned((step("web-1"),), looks, environment="staging")
    document = plan_input(elsewhere, registry=find, **SURROUNDINGS)
    assert engine.decide("plan", document.canonical_bytes()).allow, "to look further is no fault"


def test_equal_documents_have_equal_bytes() -> None:
    one = call(arguments={"b": 1, "a": {"d": None, "c": "ü"}})
    other = call(arguments={"a": {"c": "ü", "d": None}, "b": 1})
    assert one.canonical_bytes() == other.canonical_bytes()
    assert json.loads(one.canonical_bytes())["task"] == str(TASK)
    assert json.loads(call(grant=None).canonical_bytes())["grant"] is None


@pytest.mark.parametrize(
    "document", [plan(), gate(), call(), vote()], ids=["plan", "gate", "call", "vote"]
)
def test_documents_know_all_their_fields_and_no_others(document: InputDocument) -> None:
    raw = json.loads(document.canonical_bytes())
    assert type(document).model_validate(raw).canonical_bytes() == document.canonical_bytes()
    for field in raw:
        with pytest.raises(ValidationError):
            type(document).model_validate({k: v for k, v in raw.items() if k != field})
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        type(document).model_validate(raw | {"approved": True})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": []}, "at least 1"),
        ({"phases": []}, "at least 1"),
        ({"autonomy_level": 5}, "less than or equal to 4"),
        ({"environment": "prod"}, "environment"),
        ({"total_assets": 0}, "total_assets"),
    ],
)
def test_a_plan_document_must_make_sense(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plan(**change)


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        ({"writes": 0}, "miscounts"),
        ({"steps": 1}, "miscounts"),
        ({"assets": ("web-9",)}, "each target"),
        ({"assets": ("web-0", "web-0", "web-1")}, "each target"),
    ],
)
def test_a_phase_cannot_hide_what_its_steps_do(phase: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        plan(2, phase=phase)


def test_a_step_belongs_to_a_phase() -> None:
    with pytest.raises(ValidationError, match="belongs to no phase"):
        plan(1, step={"phase": 1})


def test_actors_are_compared_as_ids_not_as_spellings() -> None:
    shouted = UUID(str(TASK).upper())
    assert vote(actor=shouted).canonical_bytes() == vote(actor=TASK).canonical_bytes()
