"""Computed steps of a run: asked for by its own event, ended by another, and what follows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from smartops.contracts.computing import Computation
from smartops.contracts.events import (
    TaskCompleted,
    TaskComputationEnded,
    TaskComputationRequested,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan, Step
from smartops.contracts.wire import Category, Purpose
from smartops.redact import Finder, Unscannable
from smartops.runner import domain, sandboxing
from smartops.runner.computed import NOT_RUN, note_computed
from smartops.runner.sandboxing import Sandboxing, limits_of
from smartops.runner.state import Run
from smartops.sandbox import Level, TooWeak
from support.given import Outcome
from support.plans import phase, plan, step, tool
from support.running import Line

COMPUTE = tool("compute", category=Category.READ)
FINDER = Finder(region="DE")
CODE = 'result = {"ok": True, "detail": ""}'


def computing(target: str = "all") -> Step:
    return step(target, COMPUTE, arguments={"code": CODE})


def checked() -> Plan:
    """A patch, then a look at it, then another patch."""
    return plan(
        phase(step("web-01"), computing("web-01"), sequential=True, name="canary"),
        phase(step("web-02"), name="wave"),
    )


def waiting(made: Plan | None = None) -> Line:
    """A run whose computed step is in flight."""
    line = Line(made or checked())
    line.start()
    if line.targets() == ["web-01"]:
        line.applied("web-01")
    return line


def ended(line: Line, *, ok: bool = True, outcome: str = "value") -> Outcome[Run]:
    """The computed step in flight has ended; told twice, as every fact."""
    [request] = line.waiting(Purpose.DO)
    assert request.run is not None
    said = TaskComputationEnded(
        task=request.task,
        run=request.run,
        call=request.call,
        question=request.question,
        outcome=outcome,
        ok=ok,
        detail="because",
        output={"ok": ok, "detail": "because"},
        level="landlock",
        duration_ms=1.5,
    )
    return line._fact(lambda run: note_computed(run, line.plan, said, line.now))


def test_a_computed_step_is_asked_for_in_the_runs_own_stream_and_not_of_the_gateway() -> None:
    line = Line(plan(phase(computing())))
    outcome = line.start().then(TaskStarted, TaskPhaseStarted, TaskComputationRequested)
    asked = outcome.event(TaskComputationRequested)
    [only] = line.plan.steps
    assert (asked.step, asked.question, asked.attempt) == (only.hash(), only.id, 1)
    assert asked.call == call_id(f"acme/run-{line.grant.run}", only.id, Purpose.DO, 1)
    assert outcome.event(TaskStarted).claims == ()
    assert line.count(ToolCallRequested) == 0


def test_what_holds_lets_the_run_go_on() -> None:
    line = waiting()
    ended(line).then(
        TaskComputationEnded,
        TaskStepSettled,
        TaskPhaseCompleted,
        TaskPhaseStarted,
        ToolCallRequested,
    )
    line.applied("web-02").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


@pytest.mark.parametrize("outcome", ["value", "failed", "timed_out", "killed", "too_large"])
def test_what_does_not_hold_is_not_repeated_and_takes_back_what_was_done(outcome: str) -> None:
    line = waiting()
    decided = ended(line, ok=False, outcome=outcome).then(
        TaskComputationEnded,
        TaskStepSettled,
        TaskStopping,
        TaskRollbackStarted,
        ToolCallRequested,
    )
    settled = decided.event(TaskStepSettled)
    assert (settled.outcome, settled.retry, settled.detail) == ("failed", False, "because")
    # The patch alone: a computation leaves nothing to take back.
    [undone] = line.waiting(Purpose.UNDO)
    assert undone.target == "web-01"
    line.applied("web-01")
    assert line.count(TaskRolledBack) == 1


def test_where_no_sandbox_holds_the_run_waits_and_asks_again_once_resumed() -> None:
    line = waiting()
    decided = ended(line, ok=False, outcome=NOT_RUN).then(
        TaskComputationEnded, TaskStepSettled, TaskStopping, TaskPaused
    )
    assert "could not be computed here" in decided.event(TaskPaused).reason
    resumed = line.resume().then(TaskResumed, TaskComputationRequested)
    assert resumed.event(TaskComputationRequested).attempt == 2
    ended(line)
    assert line.run.phase == 1


def test_a_run_that_is_stopped_waits_for_what_is_being_computed() -> None:
    line = waiting()
    line.pause().then(TaskStopping)
    ended(line).then(TaskComputationEnded, TaskStepSettled, TaskPaused)


def test_an_ended_run_takes_no_note() -> None:
    line = waiting(plan(phase(computing())))
    [request] = line.waiting(Purpose.DO)
    assert request.run is not None
    late = TaskComputationEnded(
        task=request.task,
        run=request.run,
        call=call_id("acme/run-x", "other", Purpose.DO, 1),
        question="other",
        outcome="value",
        ok=True,
        detail="",
        output=None,
        level="landlock",
        duration_ms=1,
    )
    line._fact(lambda run: note_computed(run, line.plan, late, line.now)).then_nothing()
    ended(line)
    assert line.run.ended == "completed"
    late = late.model_copy(update={"call": request.call})
    line._fact(lambda run: note_computed(run, line.plan, late, line.now)).then_nothing()


def test_computed_steps_claim_nothing() -> None:
    assert domain.claims_of(checked()) == ("web-01", "web-02")


# ---- what came of code, as it is told ------------------------------------------------------


async def computed(source: str, inputs: dict[str, Any] | None = None, **limits: Any) -> Any:
    given = {"wall": timedelta(seconds=20), "cpu": timedelta(seconds=5), "memory_bytes": 2**28}
    sandbox = Sandboxing(Level.PROCESS, limits_of(**{**given, **limits}), FINDER)
    sandbox.try_out()
    try:
        found = await sandbox.compute(Computation(code=source), inputs or {})
        assert sum(sandbox.levels().values()) == 1
        assert sandbox.note().startswith(found.level)
    finally:
        await sandbox.close()
    return found


@pytest.mark.parametrize(
    ("source", "outcome", "detail"),
    [
        ('result = {"ok": True, "detail": "well"}', "value", "well"),
        ('result = {"ok": False, "detail": "ill"}', "value", "ill"),
        ("result = 1", "failed", "the result is no"),
        ('result = {"ok": 1, "detail": ""}', "failed", "result.ok: "),
        ('result = {"ok": True}', "failed", "result.detail: "),
        ('result = {"ok": True, "detail": "", "n": 2**60}', "failed", "no canonical form"),
        ("x = 1\n1 / 0", "failed", "ZeroDivisionError (line 2): division by zero"),
        ("result = 'x' * 40_000", "too_large", "its result is longer than 32768 bytes"),
        ("import os; os._exit(3)", "killed", "it ended by exit 3"),
    ],
)
async def test_what_came_of_code_is_told_in_words(source: str, outcome: str, detail: str) -> None:
    found = await computed(source)
    assert (found.outcome, found.ok) == (outcome, detail == "well")
    assert found.detail.startswith(detail), found.detail


async def test_a_result_holds_no_secret_and_names_none() -> None:
    found = await computed(
        'result = {"ok": True, "detail": "", "password": "hunter2hunter2", '
        '"take": {"$secret": "db/app"}}'
    )
    assert found.output["password"] == "[secret:password]"
    assert found.output["take"] != {"$secret": "db/app"}


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ({"owners": ["a@example.com"]}, "email"),
        ({"a@example.com": 1}, "email"),
        ({"text": "call 030 901820 or write to b@example.org"}, "email, phone"),
        ({"paid_with": 4111111111111111}, "card"),
        ({"detail": "refund to DE89370400440532013000"}, "iban"),
    ],
)
async def test_a_result_with_personal_data_fails_and_is_not_kept(told: Any, kinds: str) -> None:
    found = await computed(f'result = {{"ok": True, "detail": "", **{told!r}}}')
    assert (found.outcome, found.ok, found.output) == ("failed", False, None)
    assert found.detail.startswith(
        f"personal_data: its result holds what looks like personal data ({kinds})"
    )
    assert "example" not in found.detail


async def test_what_cannot_be_searched_for_personal_data_fails_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_finder: Finder, _text: str) -> None:
        raise Unscannable("too_long")

    monkeypatch.setattr(Finder, "hits", broken)
    found = await computed('result = {"ok": True, "detail": "well", "versions": ["2.4.1"]}')
    assert (found.outcome, found.output) == ("failed", None)
    assert found.detail.startswith("personal_data: its result cannot be searched")


async def test_references_to_personal_data_are_no_personal_data_and_do_not_come_out() -> None:
    token = "0" * 32
    inputs = {"a": {"mail": {"$pii": "email", "token": token}, "text": f"by [email:{token}]"}}
    found = await computed('result = {"ok": True, "detail": "", **inputs["a"]}', inputs)
    assert (found.outcome, found.ok) == ("value", True)
    assert {"$pii": "email", "token": token} not in found.output.values()


async def test_what_code_raises_may_quote_personal_data_and_is_blanked() -> None:
    found = await computed('raise ValueError("nobody: a@example.com")')
    assert found.detail == "ValueError (line 1): nobody: [email]"


async def test_without_a_sandbox_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from smartops.contracts.computing import Computation  # noqa: PLC0415 - of this alone

    async def none_holds(*_: object) -> None:
        raise TooWeak("landlock", {"landlock": "no Landlock"})

    monkeypatch.setattr(sandboxing, "strongest", none_holds)
    sandbox = Sandboxing(Level.LANDLOCK, limits_of(timedelta(1), timedelta(1), 2**28), FINDER)
    assert sandbox.note() == "being tried"
    sandbox.try_out()
    found = await sandbox.compute(Computation(code=CODE), {})
    assert (found.outcome, found.ok, found.level, found.output) == (NOT_RUN, False, "none", None)
    assert "no Landlock" in found.detail
    assert sandbox.note().startswith("none, so computed steps are refused")
    assert sum(sandbox.levels().values()) == 0
    await sandbox.close()
