"""What tools declare of their calls is held to: said why, rehearsed first."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.folds import CallStatus, CallView, RunView, TaskView, ToolView
from smartops.contracts.plan import Step
from smartops.contracts.wire import Purpose, Scope
from smartops.tool_gateway.context import Contexts
from smartops.tool_gateway.ports import Answer, NotApplied
from smartops.tool_gateway.promises import as_rehearsed, check_promises, rehearsals
from support.plans import TASK, phase, plan
from support.registered import REGISTERED

FAILOVER, REHEARSAL = REGISTERED["execute_failover"], REGISTERED["simulate_failover"]
CLUSTER = "orders-db"
ARGUMENTS = {"asset": "orders-db", "primary": "orders-db-2", "reason_code": "drill"}


def step(name: str, number: int, **arguments: Any) -> Step:
    tool = REGISTERED[name]
    return Step(
        id=f"steps/{number}-{name}/orders-db",
        tool=name,
        version=tool.version,
        schema_digest=tool.digest(),
        category=tool.category,
        target=arguments.get("asset", "orders-db"),
        arguments=arguments,
    )


def request(
    made: Step | None, purpose: Purpose = Purpose.DO, **changes: Any
) -> tuple[UUID, ToolCallRequested]:
    told: dict[str, Any] = {
        "call": uuid4(),
        "task": TASK,
        "run": uuid4(),
        "purpose": purpose,
        "tool": REHEARSAL.name,
        "version": REHEARSAL.version,
        "target": "orders-db",
        "question": "q",
        "attempt": 1,
        "step": None if made is None else made.hash(),
        **changes,
    }
    asked = ToolCallRequested(**told)
    return asked.call, asked


def counted(run: dict[UUID, ToolCallRequested], *steps: Step, task: Any = ()) -> list[UUID]:
    execute = step("execute_failover", 2, **ARGUMENTS)
    whole = plan(phase(*steps, execute, name="Steps", sequential=True))
    view = replace(RunView(), requests=run)
    return list(rehearsals(FAILOVER, execute, view, TaskView(requests=tuple(task)), whole))


def test_the_same_step_rehearsed_in_this_run_counts() -> None:
    rehearsed = step("simulate_failover", 1, asset="orders-db", primary="orders-db-2")
    call, asked = request(rehearsed)
    assert counted({call: asked}, rehearsed) == [call]


@pytest.mark.parametrize(
    "other",
    [
        step("simulate_failover", 1, asset="orders-db", primary="orders-db-3"),
        step("simulate_failover", 1, asset="users-db", primary="orders-db-2"),
        step("simulate_failover", 1, asset="orders-db", primary="orders-db-2", more=1),
        step("get_cluster", 1, asset="orders-db", primary="orders-db-2"),
    ],
    ids=["another member", "another cluster", "another argument", "another tool"],
)
def test_a_rehearsal_of_something_else_does_not_count(other: Step) -> None:
    call, asked = request(other)
    assert counted({call: asked}, other) == []


def test_a_request_of_no_approved_step_does_not_count() -> None:
    rehearsed = step("simulate_failover", 1, asset="orders-db", primary="orders-db-2")
    call, asked = request(None, arguments={"asset": "orders-db", "primary": "orders-db-2"})
    assert counted({call: asked}, rehearsed) == []


def test_the_undo_of_a_rehearsal_does_not_count() -> None:
    rehearsed = step("simulate_failover", 1, asset="orders-db", primary="orders-db-2")
    call, asked = request(rehearsed, Purpose.UNDO)
    assert counted({call: asked}, rehearsed) == []


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"target": "users-db"}, False),
        ({"tool": "get_cluster"}, False),
        ({"arguments": {"asset": "orders-db", "primary": "orders-db-3"}}, False),
        ({"arguments": None}, False),
        ({"purpose": Purpose.OBSERVE}, False),
    ],
)
def test_evidence_of_the_task_counts_if_it_is_that_rehearsal(
    changes: dict[str, Any],
    counts: bool,  # noqa: FBT001
) -> None:
    arguments = {"asset": "orders-db", "primary": "orders-db-2"}
    evidence = request(
        None, **{"purpose": Purpose.EVIDENCE, "run": None, "arguments": arguments, **changes}
    )
    assert bool(counted({}, task=[evidence])) is counts


@pytest.mark.parametrize(
    ("purpose", "simulated", "code"),
    [
        (Purpose.DO, False, "not_simulated"),
        (Purpose.DO, True, None),
        (Purpose.UNDO, False, None),
    ],
)
def test_a_step_goes_out_after_its_rehearsal_and_is_taken_back_without(
    purpose: Purpose,
    simulated: bool,  # noqa: FBT001
    code: str | None,
) -> None:
    denial = check_promises(FAILOVER, purpose, CLUSTER, ARGUMENTS, simulated=simulated)
    assert (denial.code if denial else None) == code


@pytest.mark.parametrize("reason", ["because", "", None, 1, ["drill"]])
@pytest.mark.parametrize("purpose", [Purpose.DO, Purpose.UNDO])
def test_a_reason_is_one_of_those_that_are_listed(purpose: Purpose, reason: Any) -> None:
    denial = check_promises(
        FAILOVER, purpose, CLUSTER, {**ARGUMENTS, "reason_code": reason}, simulated=True
    )
    assert denial is not None
    assert (denial.code, denial.rule) == ("no_reason_code", "gateway.reason_code")
    assert "drill" in denial.message


def test_no_reason_at_all_is_denied_too() -> None:
    wordless = {name: value for name, value in ARGUMENTS.items() if name != "reason_code"}
    assert check_promises(FAILOVER, Purpose.DO, CLUSTER, wordless, simulated=True) is not None


def test_a_tool_that_declares_neither_is_asked_neither() -> None:
    patch = REGISTERED["apply_patch"]
    assert check_promises(patch, Purpose.DO, "web-01", {"asset": "web-01"}, simulated=False) is None


@pytest.mark.parametrize("name", ["apply_patch", "get_asset", "set_config_value"])
@pytest.mark.parametrize("asset", ["web-02", None, 1, ["web-01"], {"$secret": "web-01"}])
def test_the_asset_that_is_named_is_the_target_that_was_approved(name: str, asset: Any) -> None:
    tool = REGISTERED[name]
    denial = check_promises(tool, Purpose.DO, "web-01", {"asset": asset}, simulated=False)
    assert denial is not None
    assert denial.code == "other_target"


def test_a_tool_of_a_whole_environment_names_what_it_likes() -> None:
    tool = REGISTERED["query_assets"]
    asked = {"environment": "production", "ids": ["web-02"]}
    assert check_promises(tool, Purpose.EVIDENCE, "production", asked, simulated=False) is None


@pytest.mark.parametrize(("named", "code"), [(2, None), (3, "too_wide")])
def test_a_call_names_no_more_targets_than_it_may_change(named: int, code: str | None) -> None:
    wide = REGISTERED["restart_server"].model_copy(
        update={"scope": Scope.ENVIRONMENT, "blast_radius": 2}
    )
    targets = [f"web-{number}" for number in range(named)]
    denial = check_promises(wide, Purpose.DO, "production", {"targets": targets}, simulated=False)
    assert (denial.code if denial else None) == code


def test_a_read_may_look_at_any_number() -> None:
    many = {"targets": [f"web-{number}" for number in range(5000)]}
    tool = REGISTERED["probe_http"]
    assert check_promises(tool, Purpose.OBSERVE, "production", many, simulated=False) is None


class Folds:
    """Views of streams, by name."""

    def __init__(self, **known: Any) -> None:
        self._known = known

    async def load(self, name: str, **_: object) -> Any:
        return SimpleNamespace(state=self._known[name.rpartition("/")[2].replace("-", "_", 1)])


@pytest.mark.parametrize("status", [None, *CallStatus])
async def test_only_a_rehearsal_that_succeeded_lets_the_step_out(
    status: CallStatus | None,
) -> None:
    rehearsed = step("simulate_failover", 1, asset=CLUSTER, primary="orders-db-2")
    execute = step("execute_failover", 2, **ARGUMENTS)
    call, asked = request(rehearsed)
    _, wanted = request(execute, tool=FAILOVER.name)
    views: Any = SimpleNamespace(
        tool=Folds(tool_execute_failover=ToolView(FAILOVER, FAILOVER.digest())),
        task=Folds(**{f"task_{TASK}": TaskView()}),
        call=Folds(**{f"call_{call}": CallView(call, status)}),
    )
    nothing: Any = None
    contexts = Contexts(views, nothing, nothing, nothing, nothing)
    whole = plan(phase(rehearsed, execute, name="Steps", sequential=True))
    run = replace(RunView(), requests={call: asked})
    let_out = await contexts.simulated("acme", wanted, run, whole)
    assert let_out is (status is CallStatus.SUCCEEDED)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"ok": False, "detail": "no quorum"}, "no quorum"),
        ({"ok": False}, "the rehearsal says no, and not why"),
        ({"ok": True, "detail": "fine"}, None),
        ({"lost_s": 0.4}, None),
        (False, None),
    ],
)
def test_a_rehearsal_that_says_no_has_failed(output: JsonValue, message: str | None) -> None:
    found = as_rehearsed(REHEARSAL, Answer(output))
    if message is None:
        assert found == Answer(output)
    else:
        assert found == NotApplied("would_not_work", message, retryable=False)
    assert as_rehearsed(REGISTERED["get_cluster"], Answer(output)) == Answer(output)
