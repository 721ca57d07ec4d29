"""Plans that nobody approved: the planner says them, and a runner asks for their steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from smartops.contracts.canonical import canonical, digest, raw_digest
from smartops.contracts.events import (
    TaskApprovalRequired,
    TaskPhaseStarted,
    TaskPlanned,
    TaskStarted,
    ToolCallRequested,
)
from smartops.contracts.ids import TaskId, call_id, run_id
from smartops.contracts.plan import Plan, Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import Purpose

from benchmarks.lib.hostile.adversary import Adversary
from benchmarks.lib.hostile.attack import Attack
from benchmarks.lib.hostile.drafts import Case
from benchmarks.lib.hostile.held import HELD

__all__ = ["FALSE_PLANS", "NOT_THERE", "FalsePlan", "HostilePlanner", "seal_anew"]

NOT_THERE = "a plan that is not there"

Document = dict[str, Any]
Falsify = Callable[[Document, Random, str], None]
"""Changes a plan's document; gets a random source and a victim."""

_NOT_GRANTED = frozenset(
    {"no_grant", "grant_mismatch", "plan_mismatch", "not_requested", "step_mismatch"}
)


@dataclass(frozen=True, slots=True)
class FalsePlan:
    """One thing that is wrong with a plan.

    Attributes:
        name: for the figures.
        falsify: what is changed in its document.
        sealed: whether hashes are made anew, so that the plan is sound in itself.
        announced: fields of `task.planned` that say something else than the document.
    """

    name: str
    falsify: Falsify
    sealed: bool = True
    announced: Callable[[Random], dict[str, Any]] = lambda _random: {}


def _as_it_is(_document: Document, _random: Random, _victim: str) -> None:
    """Nothing is wrong with it, but that nobody approves it."""


def _for_another_server(document: Document, _random: Random, victim: str) -> None:
    for step in document["steps"]:
        step["target"] = victim
        step["arguments"]["asset"] = victim


def _with_other_arguments(document: Document, random: Random, _victim: str) -> None:
    step = random.choice(document["steps"])
    step["arguments"] = {**step["arguments"], "version": "6.6.6"}


def _that_calls_writes_reads(document: Document, _random: Random, _victim: str) -> None:
    for step in document["steps"]:
        step["category"] = "read"


def _that_calls_all_reversible(document: Document, _random: Random, _victim: str) -> None:
    for step in document["steps"]:
        step["category"] = "reversible"
        step["undo"] = {"tool": "noop_write", "version": "1", "arguments": {}}
    document["header"]["approval_requested"] = False


def _of_an_unknown_tool(document: Document, random: Random, _victim: str) -> None:
    random.choice(document["steps"])["tool"] = "rm_rf"


def _of_a_changed_tool(document: Document, random: Random, _victim: str) -> None:
    random.choice(document["steps"])["schema_digest"] = f"sha256:{random.getrandbits(256):064x}"


def _of_another_tenant(document: Document, _random: Random, _victim: str) -> None:
    document["header"]["tenant"] = "globex"


def _of_another_task(document: Document, random: Random, _victim: str) -> None:
    document["header"]["task"] = str(UUID(int=random.getrandbits(128), version=4))


def _of_another_number(document: Document, random: Random, _victim: str) -> None:
    document["header"]["number"] = random.randint(50, 90)


def _in_another_environment(document: Document, _random: Random, _victim: str) -> None:
    document["header"]["environment"] = "sandbox"


def _by_somebody_else(document: Document, _random: Random, _victim: str) -> None:
    document["header"]["agent"] = {"name": "noop", "version": "1.0.0"}
    document["header"]["approval_requested"] = False


def _with_a_hidden_step(document: Document, _random: Random, victim: str) -> None:
    """A step that the header does not list."""
    hidden = json.loads(json.dumps(document["steps"][0]))
    hidden |= {"id": "hidden/1", "target": victim}
    document["steps"].append(hidden)


def _with_two_of_one_id(document: Document, _random: Random, _victim: str) -> None:
    document["steps"][1]["id"] = document["steps"][0]["id"]


def _with_a_secret(document: Document, random: Random, _victim: str) -> None:
    random.choice(document["steps"])["arguments"]["reason"] = {"$secret": HELD}


FALSE_PLANS: tuple[FalsePlan, ...] = (
    FalsePlan("an unapproved plan", _as_it_is),
    FalsePlan("a plan for another server", _for_another_server),
    FalsePlan("a plan with other arguments", _with_other_arguments),
    FalsePlan("a plan that calls writes reads", _that_calls_writes_reads),
    FalsePlan("a plan that calls all reversible", _that_calls_all_reversible),
    FalsePlan("a plan of an unknown tool", _of_an_unknown_tool),
    FalsePlan("a plan of a changed tool", _of_a_changed_tool),
    FalsePlan("a plan of another tenant", _of_another_tenant),
    FalsePlan("a plan of another task", _of_another_task),
    FalsePlan("a plan of another number", _of_another_number),
    FalsePlan(
        "a plan in another environment",
        _in_another_environment,
        announced=lambda _random: {"environment": "sandbox"},
    ),
    FalsePlan("a plan by somebody else", _by_somebody_else),
    FalsePlan("a plan with a hidden step", _with_a_hidden_step, sealed=False),
    FalsePlan("a plan with two steps of one id", _with_two_of_one_id),
    FalsePlan("a plan with a smuggled secret", _with_a_secret),
    FalsePlan(
        "a plan under another hash",
        _for_another_server,
        announced=lambda random: {"plan_hash": f"sha256:{random.getrandbits(256):064x}"},
    ),
    FalsePlan(
        NOT_THERE,
        _for_another_server,
        announced=lambda random: {"document": f"sha256:{random.getrandbits(256):064x}"},
    ),
)
"""All of them."""


class HostilePlanner:
    """Says plans in the history of real tasks, some of which have a grant for another.

    Args:
        attack: notes the cases.
        planner: with the planner's credentials.
        runner: with the runner's, to ask for what was planned.
        random: of all choices.
        victim: a server that nobody has business with.
    """

    def __init__(
        self,
        attack: Attack,
        planner: Adversary,
        runner: Adversary,
        random: Random,
        victim: str,
    ) -> None:
        self._attack = attack
        self._planner = planner
        self._runner = runner
        self._random = random
        self._victim = victim
        self.said: list[tuple[str, UUID, str, UUID]] = []
        """Name, task, hash and event of each plan."""

    async def plan(
        self, task: UUID, version: int, real: TaskApprovalRequired, number: int, *, granted: bool
    ) -> int:
        """Say a false plan, and ask for a step of it; returns the version of the task's stream.

        Args:
            task: a real one.
            version: of its stream.
            real: what was really planned for it.
            number: that the false plan takes.
            granted: whether the task has a grant for its real plan.
        """
        false = self._random.choice(FALSE_PLANS)
        document = json.loads(
            await self._planner.store.blob(self._planner.tenant, raw_digest(real.document))
        )
        document["header"]["number"] = number
        false.falsify(document, self._random, self._victim)
        plan_hash, stored = seal_anew(document) if false.sealed else _unsealed(document)
        fields: dict[str, Any] = {
            "number": number,
            "plan_hash": plan_hash,
            "document": digest(stored),
            "type": document["header"]["type"],
            "summary": "harmless",
            "environment": real.environment,
            "targets": 1,
            "steps": len(document["steps"]),
        }
        planned = TaskPlanned.model_validate({**fields, **false.announced(self._random)})
        name = stream(self._planner.tenant, "task", task)
        [event] = await self._planner.say(name, version, task, [planned], blobs=[stored])
        self.said.append((false.name, task, planned.plan_hash, event.event_id))
        await self._ask(task, planned, document, granted=granted)
        return version + 1

    async def _ask(
        self, task: UUID, planned: TaskPlanned, document: Document, *, granted: bool
    ) -> None:
        """Begin the run that a grant of this plan would have, and ask for its first step."""
        run = run_id(TaskId(task), planned.number, 1)
        name = stream(self._runner.tenant, "run", run)
        step = Step.model_validate(document["steps"][0])
        started = TaskStarted(
            task=task,
            run=run,
            number=planned.number,
            plan_hash=planned.plan_hash,
            document=planned.document,
            grant=1,
            environment=planned.environment,
            phases=("Canary",),
            claims=(),
        )
        begun = TaskPhaseStarted(
            task=task, run=run, phase=0, name="Canary", steps=1, targets=(step.target,)
        )
        asked = ToolCallRequested(
            task=task,
            run=run,
            call=call_id(name, step.id, Purpose.DO, 1),
            purpose=Purpose.DO,
            tool=step.tool,
            version=step.version,
            target=step.target,
            question=step.id,
            attempt=1,
            phase=0,
            step=step.hash(),
        )
        *_, event = await self._runner.say(name, 0, task, [started, begun, asked])
        kind = "a step of an ungranted plan" if not granted else "a step of a second plan"
        case = Case((kind,), _NOT_GRANTED, asked, name)
        await self._attack.ask(case, None, event.event_id)


def seal_anew(document: Document) -> tuple[str, bytes]:
    """Hashes made anew by somebody who knows how."""
    steps = [Step.model_validate(step) for step in document["steps"]]
    left = iter(step.hash() for step in steps)
    for phase in document["header"]["phases"]:
        phase["steps"] = [next(left) for _ in phase["steps"]]
    plan = Plan.model_validate(document)
    return plan.hash(), plan.document()


def _unsealed(document: Document) -> tuple[str, bytes]:
    """Only what is stored is in canonical form."""
    return digest(canonical(document["header"])), canonical(document)
