"""The engine: what it answers with, and that it denies whenever it has no answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from typing import Any

import pytest
import regorus  # type: ignore[import-untyped]
from smartops.policy_engine import (
    ENTRYPOINTS,
    POLICY_ERROR,
    BundleRefused,
    Denial,
    PolicyEngine,
    Reason,
    RegorusEngine,
    Verdict,
    default_bundle_path,
)
from smartops.policy_engine.answer import MAX_FINDINGS, MAX_TEXT
from support.policy_documents import SPECIFICATION, bundle_with, call, grant, plan, vote

PUPPET = """
package smartops.plan

# Answers whatever the first step's arguments say.
decision := input.steps[0].arguments.answer if input.task

decision := {
	"allow": false, "requires_approval": true, "reasons": [],
	"denials": [{"rule": "test.empty", "path": "", "message": "empty"}],
} if {
	not input.task
}
"""

ALLOWED = {
    "allow": True,
    "requires_approval": False,
    "denials": [],
    "reasons": [{"rule": "test.yes", "message": "yes"}],
}
DENIED = {
    "allow": False,
    "requires_approval": False,
    "denials": [{"rule": "test.no", "path": "/phases", "message": "no"}],
    "reasons": [],
}


@pytest.fixture(scope="module")
def engine() -> PolicyEngine:
    return RegorusEngine.load(default_bundle_path())


@pytest.fixture(scope="module")
def puppet() -> RegorusEngine:
    return RegorusEngine(bundle_with(plan__rego=PUPPET, without=".cases.json"))


def answering(puppet: RegorusEngine, answer: Any) -> Verdict:
    document = plan(step={"arguments": {"answer": answer}})
    return puppet.decide("plan", document.canonical_bytes())


def assert_failed_closed(verdict: Verdict, *words: str) -> None:
    assert (verdict.allow, verdict.requires_approval) == (False, True)
    assert verdict.rules == (POLICY_ERROR,)
    (denial,) = verdict.denials
    assert denial.rule == POLICY_ERROR
    assert denial.message
    assert "backtrace" not in denial.message
    for word in words:
        assert word in denial.message


def test_a_verdict_names_engine_bundle_input_and_rules(engine: PolicyEngine) -> None:
    raw = plan().canonical_bytes()
    verdict = engine.decide("plan", raw)
    assert verdict == Verdict(
        allow=True,
        requires_approval=True,
        denials=(),
        rules=("plan.approval.production_write",),
        engine="regorus",
        engine_version="0.13.0",
        bundle_digest=engine.bundle_digest,
        input_digest=f"sha256:{hashlib.sha256(raw).hexdigest()}",
        reasons=(
            Reason("plan.approval.production_write", "writes in production always need a person"),
        ),
    )


def test_a_denial_says_where_and_why(engine: PolicyEngine) -> None:
    raw = plan(1, 3, total_assets=10).canonical_bytes()
    verdict = engine.decide("plan", raw)
    assert verdict.denials == (
        Denial(
            "plan.phase_too_large",
            "/phases/1/assets",
            "phase Wave 1 changes 3 of 10 assets; at most 20% go together",
        ),
    )


def test_all_denials_are_named_in_order(engine: PolicyEngine) -> None:
    document = plan(2, 3, names=("All", "Rest"), phase={"health_checks": 0, "rollback_if": ""})
    verdict = engine.decide("plan", document.canonical_bytes())
    assert [(denial.rule, denial.path) for denial in verdict.denials] == [
        ("plan.canary_missing", "/phases/0/name"),
        ("plan.health_check_missing", "/phases/0/health_checks"),
        ("plan.health_check_missing", "/phases/1/health_checks"),
        ("plan.phase_too_large", "/phases/1/assets"),
        ("plan.rollback_missing", "/phases/0/rollback_if"),
        ("plan.rollback_missing", "/phases/1/rollback_if"),
    ]
    assert verdict.rules == (
        "plan.canary_missing",
        "plan.health_check_missing",
        "plan.phase_too_large",
        "plan.rollback_missing",
    )


def test_the_same_bytes_get_the_same_verdict(engine: PolicyEngine) -> None:
    raw = plan(2, 3).canonical_bytes()
    other = RegorusEngine.load(default_bundle_path())
    assert engine.decide("plan", raw) == engine.decide("plan", raw) == other.decide("plan", raw)


def test_decisions_leave_nothing_behind_for_the_next(engine: PolicyEngine) -> None:
    good = plan().canonical_bytes()
    before = engine.decide("plan", good)
    engine.decide("plan", b"{}")
    engine.decide("plan", b"[")
    engine.decide("tool_call", call(grant=None).canonical_bytes())
    assert engine.decide("plan", good) == before


def test_a_puppet_answers_as_told(puppet: RegorusEngine) -> None:
    assert answering(puppet, ALLOWED).allow
    assert answering(puppet, ALLOWED | {"requires_approval": True}).requires_approval
    denied = answering(puppet, DENIED)
    assert (denied.allow, denied.requires_approval, denied.rules) == (False, True, ("test.no",))


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (None, "undefined"),
        (True, "not {allow"),
        ([], "not {allow"),
        ("allow", "not {allow"),
        ({}, "not {allow"),
        ({**ALLOWED, "more": 1}, "not {allow"),
        ({key: value for key, value in ALLOWED.items() if key != "denials"}, "not {allow"),
        ({**ALLOWED, "allow": 1}, "true or false"),
        ({**ALLOWED, "allow": "true"}, "true or false"),
        ({**ALLOWED, "requires_approval": None}, "true or false"),
        ({**ALLOWED, "denials": DENIED["denials"]}, "at once"),
        ({**ALLOWED, "reasons": []}, "no rule"),
        ({**DENIED, "denials": []}, "no rule"),
        ({**ALLOWED, "denials": None}, "arrays"),
        ({**ALLOWED, "denials": {}}, "arrays"),
        ({**ALLOWED, "reasons": ["yes"]}, "entry"),
        ({**ALLOWED, "reasons": [{"rule": "a"}]}, "entry"),
        ({**ALLOWED, "reasons": [{"rule": 1, "message": "m"}]}, "strings"),
        ({**ALLOWED, "reasons": [{"rule": "", "message": "m"}]}, "not empty"),
        ({**DENIED, "denials": [{"rule": "a", "path": None, "message": "m"}]}, "strings"),
        ({**ALLOWED, "reasons": [{"rule": POLICY_ERROR, "message": "m"}]}, "belongs to the engine"),
    ],
)
def test_a_decision_of_another_shape_is_a_denial(
    puppet: RegorusEngine, answer: Any, word: str
) -> None:
    assert_failed_closed(answering(puppet, answer), word)


def test_an_undefined_decision_is_a_denial(puppet: RegorusEngine) -> None:
    assert_failed_closed(puppet.decide("plan", plan().canonical_bytes()), "undefined")


def test_a_call_cannot_wait_for_an_approval() -> None:
    module = PUPPET.replace("smartops.plan", "smartops.tool_call").replace(
        "input.steps[0].arguments", "input.arguments"
    )
    engine = RegorusEngine(bundle_with(tool_call__rego=module, without=".cases.json"))
    waiting = {**ALLOWED, "requires_approval": True}
    raw = call(arguments={"answer": waiting}).canonical_bytes()
    assert_failed_closed(engine.decide("tool_call", raw), "cannot wait")


def test_long_answers_are_cut_but_keep_their_rules(puppet: RegorusEngine) -> None:
    denials = [
        {"rule": f"test.{n % 3}", "path": f"/{n:04}", "message": "m" * 2000} for n in range(500)
    ]
    document = plan(1, step={"arguments": {"answer": {**DENIED, "denials": denials}}})
    verdict = puppet.decide("plan", document.canonical_bytes())
    assert verdict.rules == ("test.0", "test.1", "test.2")
    assert len(verdict.denials) == MAX_FINDINGS
    assert verdict.denials[-1].message == "and 451 more denials"
    assert {len(denial.message) for denial in verdict.denials[:-1]} == {MAX_TEXT}


def test_a_runtime_error_is_a_denial() -> None:
    extra = """
package smartops.plan

denials contains {"rule": "test.share", "path": "", "message": "too much"} if {
	input.autonomy_level / input.steps[0].arguments.divisor > 1
}
"""
    engine = RegorusEngine(bundle_with(extra__rego=extra))
    raw = plan(step={"arguments": {"divisor": 0}}).canonical_bytes()
    assert_failed_closed(engine.decide("plan", raw), "divide by zero")
    fine = plan(step={"arguments": {"divisor": 5}}).canonical_bytes()
    assert engine.decide("plan", fine).allow


def test_an_unknown_entrypoint_is_a_denial(engine: PolicyEngine) -> None:
    assert_failed_closed(engine.decide("plans", plan().canonical_bytes()), "plans")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b'{"a": ' + b"9" * 5000 + b"}",
        "not bytes",
        None,
    ],
    ids=lambda raw: repr(raw)[:20],
)
def test_what_is_no_document_is_a_denial(engine: PolicyEngine, raw: Any) -> None:
    for entrypoint in ("plan", "tool_call", "approval"):
        verdict = engine.decide(entrypoint, raw)
        assert not verdict.allow
        assert verdict.denials


def test_a_key_that_stands_twice_is_a_denial(engine: PolicyEngine) -> None:
    raw = call(grant=None).canonical_bytes()
    twice = raw[:-1] + b',"grant":' + grant().model_dump_json().encode() + b"}"
    assert json.loads(twice)["grant"]["valid"]
    assert_failed_closed(engine.decide("tool_call", twice), "twice")


def test_a_document_that_is_too_large_is_a_denial() -> None:
    raw = plan().canonical_bytes()
    engine = RegorusEngine.load(default_bundle_path())
    assert engine.decide("plan", raw).allow
    bounded = RegorusEngine(bundle_with(without=".cases.json"), max_input_bytes=len(raw) - 1)
    verdict = bounded.decide("plan", raw)
    assert_failed_closed(verdict, str(len(raw)))
    assert verdict.input_digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"


def test_another_thread_is_denied(engine: PolicyEngine, capfd: pytest.CaptureFixture[str]) -> None:
    raw = plan().canonical_bytes()
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(engine.decide("plan", raw)))
    thread.start()
    thread.join()
    assert_failed_closed(verdicts[0], "panicked", "another thread")
    assert engine.decide("plan", raw).allow, "the engine has survived"
    assert "panicked" in capfd.readouterr().err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_an_order_to_stop_gets_through(
    engine: PolicyEngine, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    class Stopping:
        def clone(self) -> None:
            raise stop

    monkeypatch.setattr(engine, "_engine", Stopping())
    with pytest.raises(stop):
        engine.decide("plan", b"{}")


def test_the_specifications_example_runs_unchanged() -> None:
    engine = RegorusEngine(
        bundle_with(
            without=".cases.json",  # Some of them change 30%, see below.
            ql_safety__rego=(SPECIFICATION / "ql_safety.rego").read_bytes(),
            joined__rego=(SPECIFICATION / "plan_ql_safety.rego").read_bytes(),
        )
    )
    ours = engine.decide("plan", plan().canonical_bytes())
    assert ours.allow, "a plan after its own heart"

    bad = plan(5, 5, names=("Wave 1", "Wave 2"), total_assets=10)
    messages = {
        denial.message
        for denial in engine.decide("plan", bad.canonical_bytes()).denials
        if denial.rule == "ql.safety"
    }
    assert messages == {
        "Production changes require a canary phase",
        "Batch size 50% exceeds 20% limit",
    }

    # A third of the fleet is no whole percentage: the example's message cannot be made, and what
    # it wanted to deny stays denied.
    odd = plan(1, 1, 1, names=("Canary", "2", "3"), total_assets=3)
    assert_failed_closed(engine.decide("plan", odd.canonical_bytes()))


def test_the_specifications_example_fails_open_where_ours_does_not(engine: PolicyEngine) -> None:
    example = regorus.Engine()
    example.set_rego_v0(True)
    example.add_policy("ql_safety.rego", (SPECIFICATION / "ql_safety.rego").read_text())
    example.set_input_json("{}")
    assert example.eval_rule("data.ql.safety.deny") == set(), "nothing is denied: so it is allowed"
    for entrypoint in ENTRYPOINTS:
        verdict = engine.decide(entrypoint, b"{}")
        assert not verdict.allow
        assert POLICY_ERROR not in verdict.rules, "denied by a rule, not by accident"


def test_the_specifications_example_plan_is_too_fast_for_production(engine: PolicyEngine) -> None:
    """5 + 15 + 27 of 47 servers, the last wave without a rollback condition."""
    verdict = engine.decide("plan", plan(5, 15, 27, total_assets=47).canonical_bytes())
    assert verdict.rules == ("plan.phase_too_large",)
    assert [denial.path for denial in verdict.denials] == ["/phases/1/assets", "/phases/2/assets"]


def test_an_example_that_stands_alone_is_no_bundle() -> None:
    only = bundle_with(without="smartops")
    assert only.digest
    files = {"ql_safety.rego": (SPECIFICATION / "ql_safety.rego").read_bytes()}
    with pytest.raises(BundleRefused, match="not a valid rule path"):
        RegorusEngine(type(only)(files))


def test_a_vote_without_any_settings_is_denied(engine: PolicyEngine) -> None:
    document = vote(local=True).model_dump(mode="json") | {"settings": {}}
    assert not engine.decide("approval", json.dumps(document).encode()).allow
