"""What our own policies decide, rule by rule."""

from __future__ import annotations

import json
from typing import Any

import pytest
from smartops.policy_engine import (
    ApprovalInput,
    GateInput,
    InputDocument,
    PlanInput,
    RegorusEngine,
    ToolCallInput,
    default_bundle_path,
)
from support.policy_documents import ANA, BEN, call, gate, grant, plan, vote

REFUSED = False
WAITS = True


@pytest.fixture(scope="module")
def engine() -> RegorusEngine:
    return RegorusEngine.load(default_bundle_path())


PLANS: list[tuple[str, PlanInput, str, bool | None]] = [
    # what it is, the plan, the one rule that matches, True waits / None runs / False refused
    ("a canaried change in production waits", plan(1, 2), "plan.approval.production_write", True),
    ("at any level of autonomy", plan(autonomy_level=3), "plan.approval.production_write", True),
    ("reads run at L0 in production", plan(5, 5, category="read", autonomy_level=0),
     "plan.auto.reads_only", None),
    ("reads need no canary and no checks",
     plan(9, names=("Look",), category="read", phase={"rollback_if": "", "health_checks": 0}),
     "plan.auto.reads_only", None),
    ("reads wait when asked for", plan(category="read", approval_requested=True),
     "plan.approval.requested", True),
    ("reversible in staging runs at L2", plan(environment="staging"),
     "plan.auto.reversible_outside_production", None),
    ("and at L3", plan(environment="sandbox", autonomy_level=3),
     "plan.auto.reversible_outside_production", None),
    ("there without canary, checks or limits",
     plan(8, names=("All",), environment="development",
          phase={"rollback_if": "", "health_checks": 0}),
     "plan.auto.reversible_outside_production", None),
    ("but waits when asked for", plan(environment="staging", approval_requested=True),
     "plan.approval.requested", True),
    ("and at L1", plan(environment="staging", autonomy_level=1),
     "plan.approval.suggest_only", True),
    ("irreversible waits at L3 too",
     plan(environment="staging", category="irreversible", autonomy_level=3),
     "plan.approval.irreversible", True),
    ("reversible without a way back is irreversible",
     plan(environment="staging", step={"reversible": False}), "plan.approval.irreversible", True),
    ("L0 writes nothing", plan(environment="staging", autonomy_level=0),
     "plan.observe_only", False),
    ("L4 is off", plan(environment="staging", autonomy_level=4),
     "plan.autonomy_not_enabled", False),
    ("an unregistered tool never runs",
     plan(environment="staging", step={"registered": False, "category": None, "reversible": False}),
     "plan.tool_unregistered", False),
    ("nor one without category",
     plan(environment="staging", step={"category": None, "reversible": False}),
     "plan.tool_category_unknown", False),
    ("no canary", plan(names=("Wave 0", "Wave 1")), "plan.canary_missing", False),
    ("the canary is not first", plan(1, 1, names=("Wave", "canary")), "plan.canary_missing", False),
    ("a name is not half a canary", plan(names=("canary-ish", "Rest")),
     "plan.canary_missing", False),
    ("CANARY is one", plan(names=("CANARY", "Rest")), "plan.approval.production_write", True),
    ("one asset needs none", plan(1, names=("Only",)), "plan.approval.production_write", True),
    ("a canary over 10% but of five assets", plan(5, 1, total_assets=30),
     "plan.approval.production_write", True),
    ("a canary of six but of ten percent", plan(6, 1, total_assets=60),
     "plan.approval.production_write", True),
    ("a canary of six and over ten percent", plan(6, 1, total_assets=59),
     "plan.canary_too_large", False),
    ("an unwatched canary", plan(phase={"watch_ms": 999}), "plan.canary_unwatched", False),
    ("waiting is watching", plan(phase={"watch_ms": 500, "wait_ms": 500}),
     "plan.approval.production_write", True),
    ("a lone asset need not be watched as a canary", plan(1, phase={"watch_ms": 0}),
     "plan.approval.production_write", True),
    ("exactly 20%", plan(1, 2, total_assets=10), "plan.approval.production_write", True),
    ("more than 20%", plan(1, 2, total_assets=9), "plan.phase_too_large", False),
    ("the canary is a phase too", plan(5, 1, total_assets=24), "plan.phase_too_large", False),
    ("one of three at a time", plan(1, 1, 1, total_assets=3),
     "plan.approval.production_write", True),
    ("no rollback condition", plan(phase={"rollback_if": ""}), "plan.rollback_missing", False),
    ("a blank one", plan(phase={"rollback_if": " \t"}), "plan.rollback_missing", False),
    ("no health check", plan(phase={"health_checks": 0}), "plan.health_check_missing", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "rule", "outcome"),
    [case[1:] for case in PLANS],
    ids=[case[0] for case in PLANS],
)
def test_a_plan_is_decided_by_the_rule_that_fits(
    engine: RegorusEngine, document: PlanInput, rule: str, *, outcome: bool | None
) -> None:
    verdict = engine.decide("plan", document.canonical_bytes())
    assert verdict.rules == (rule,)
    assert verdict.allow is (outcome is not REFUSED)
    assert verdict.requires_approval is (outcome is not None)
    assert bool(verdict.denials) is (outcome is REFUSED)


GATES: list[tuple[str, GateInput, str, bool | None]] = [
    ("nothing asks for a person", gate(), "gate.auto.within_limits", None),
    ("the plan's rules do", gate(plan_requires_approval=True), "gate.approval.plan", True),
    ("the requester does", gate(approval_requested=True), "gate.approval.requested", True),
]


@pytest.mark.parametrize(
    ("document", "rule", "outcome"),
    [case[1:] for case in GATES],
    ids=[case[0] for case in GATES],
)
def test_a_gate_is_decided_by_the_rule_that_fits(
    engine: RegorusEngine, document: GateInput, rule: str, *, outcome: bool | None
) -> None:
    verdict = engine.decide("gate", document.canonical_bytes())
    assert verdict.rules == (rule,)
    assert verdict.allow is (outcome is not REFUSED)
    assert verdict.requires_approval is (outcome is not None)


CALLS: list[tuple[str, ToolCallInput, str, bool]] = [
    ("a granted write", call(), "tool_call.granted", True),
    ("a read without grant", call(category="read", grant=None), "tool_call.read", True),
    ("a read while halted", call(category="read", grant=None, halted=True), "tool_call.read", True),
    ("a write without grant", call(grant=None), "tool_call.grant_missing", False),
    ("a write that calls itself a look", call(grant=None, purpose="observe"),
     "tool_call.grant_missing", False),
    ("a revoked grant", call(grant=grant(valid=False)), "tool_call.grant_invalid", False),
    ("an expired grant", call(now_ms=2001), "tool_call.grant_expired", False),
    ("a grant that ends now", call(now_ms=2000), "tool_call.grant_expired", False),
    ("a grant with a moment left", call(now_ms=1999), "tool_call.granted", True),
    ("a grant for elsewhere", call(grant=grant(environment="staging")),
     "tool_call.grant_other_environment", False),
    ("an automatic grant in production", call(grant=grant(automatic=True)),
     "tool_call.grant_needs_person", False),
    ("an automatic grant in staging",
     call(environment="staging", grant=grant(environment="staging", automatic=True)),
     "tool_call.granted", True),
    ("an automatic grant for what cannot be undone",
     call(environment="staging", category="irreversible",
          grant=grant(environment="staging", automatic=True)),
     "tool_call.grant_needs_person", False),
    ("a person's grant for what cannot be undone", call(category="irreversible"),
     "tool_call.granted", True),
    ("an undo that is owed", call(purpose="undo", undo_owed=True, grant=None),
     "tool_call.undo_owed", True),
    ("under a revoked and expired grant",
     call(purpose="undo", undo_owed=True, grant=grant(valid=False, expires_at_ms=1)),
     "tool_call.undo_owed", True),
    ("an undo of nothing", call(purpose="undo", grant=None), "tool_call.undo_not_owed", False),
    ("not even with a grant", call(purpose="undo"), "tool_call.undo_not_owed", False),
    ("an undo while halted", call(purpose="undo", undo_owed=True, grant=None, halted=True),
     "tool_call.halted", False),
    ("a write while halted", call(halted=True), "tool_call.halted", False),
    ("an unregistered tool", call(registered=False, category="read", grant=None),
     "tool_call.tool_unregistered", False),
    ("a tool without category", call(category=None), "tool_call.tool_category_unknown", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "rule", "allow"),
    [case[1:] for case in CALLS],
    ids=[case[0] for case in CALLS],
)
def test_a_call_is_decided_by_the_rule_that_fits(
    engine: RegorusEngine, document: ToolCallInput, rule: str, *, allow: bool
) -> None:
    verdict = engine.decide("tool_call", document.canonical_bytes())
    assert rule in verdict.rules
    assert verdict.allow is allow
    assert verdict.requires_approval is not allow


VOTES: list[tuple[str, ApprovalInput, str, bool]] = [
    ("another approver", vote(), "approval.distinct_approver", True),
    ("rejecting too", vote(decision="reject"), "approval.distinct_approver", True),
    ("nobody known asked", vote(requester=None), "approval.distinct_approver", True),
    ("the requester", vote(actor=ANA), "approval.own_request", False),
    ("the requester, rejecting", vote(actor=ANA, decision="reject"), "approval.own_request", False),
    ("an editor", vote(editors=(ANA, BEN)), "approval.own_edit", False),
    ("without the role", vote(roles=("operator", "approvers")), "approval.role_missing", False),
    ("without any role", vote(roles=()), "approval.role_missing", False),
    ("among other roles", vote(roles=("operator", "approver")), "approval.distinct_approver", True),
    ("switched off", vote(disabled=True), "approval.disabled", False),
    ("nobody", vote(actor=None), "approval.unmapped", False),
    ("nobody, for nobody", vote(actor=None, requester=None), "approval.unmapped", False),
    ("local credentials in production", vote(local=True), "approval.local_credentials", False),
    ("where they are permitted", vote(local=True, local_permitted=True),
     "approval.distinct_approver", True),
    ("or outside production", vote(local=True, environment="staging"),
     "approval.distinct_approver", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "rule", "allow"),
    [case[1:] for case in VOTES],
    ids=[case[0] for case in VOTES],
)
def test_a_vote_is_decided_by_the_rule_that_fits(
    engine: RegorusEngine, document: ApprovalInput, rule: str, *, allow: bool
) -> None:
    verdict = engine.decide("approval", document.canonical_bytes())
    assert rule in verdict.rules
    assert verdict.allow is allow
    assert verdict.requires_approval is not allow


UNREAD = {"number", "id", "version", "target", "arguments"}
"""Fields of the documents that no rule of ours reads."""

PROOFS = {"rehearsed", "kind", "age_ms", "max_critical_assets"}
"""Those that matter only where a rehearsal, evidence or critical assets are at stake."""


@pytest.mark.parametrize(
    ("entrypoint", "document", "strict"),
    [
        ("plan", plan(environment="staging"), set()),
        ("plan", plan(), {"reversible"}),  # Missing, it adds a reason to wait.
        ("gate", gate(), {"plan_rules"}),
        ("tool_call", call(), {"task"}),
        ("approval", vote(), {"local_credentials_in_production"}),  # Missing, it permits nothing.
    ],
    ids=["plan that runs", "plan that waits", "gate", "call", "vote"],
)
def test_a_missing_field_never_keeps_a_permission(
    engine: RegorusEngine, entrypoint: Any, document: InputDocument, strict: set[str]
) -> None:
    whole = document.model_dump(mode="json")
    before = engine.decide(entrypoint, _bytes(whole))
    assert before.allow
    for path in _objects(whole):
        for field in set(_at(whole, path)) - UNREAD - PROOFS - strict:
            copy = _copy(whole)
            _at(copy, path).pop(field)
            after = engine.decide(entrypoint, _bytes(copy))
            stricter = not after.allow or (after.requires_approval and not before.requires_approval)
            assert stricter, (path, field, after)


@pytest.mark.parametrize("entrypoint", ["plan", "gate", "tool_call", "approval"])
@pytest.mark.parametrize("junk", [None, [], {}, "production", -1, 0.5])
def test_no_field_can_be_of_another_type_and_loosen_the_decision(
    engine: RegorusEngine, entrypoint: Any, junk: object
) -> None:
    """A denied document stays denied, whatever one of its other fields turns into."""
    document = {
        "plan": plan(autonomy_level=0),
        "gate": gate(mode="plan_only"),
        "tool_call": call(grant=grant(valid=False)),
        "approval": vote(roles=()),
    }[entrypoint]
    whole = document.model_dump(mode="json")
    decisive = {"autonomy_level", "mode", "valid", "roles"}
    for path in _objects(whole):
        for field in set(_at(whole, path)) - decisive:
            copy = _copy(whole)
            _at(copy, path)[field] = junk
            assert not engine.decide(entrypoint, _bytes(copy)).allow, (path, field)


def _bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def _copy(document: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(document))
    return copied


def _objects(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        below = [found for key, inner in value.items() for found in _objects(inner, (*path, key))]
        return below if path[-1:] == ("arguments",) else [path, *below]
    if isinstance(value, list):
        return [found for i, inner in enumerate(value) for found in _objects(inner, (*path, i))]
    return []


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value
