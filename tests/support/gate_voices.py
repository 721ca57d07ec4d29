"""What people say and do at the modelled gate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from smartops.contracts.bounds import Limits
from smartops.contracts.canonical import digest
from smartops.contracts.commands import (
    ApprovalBreakGlass,
    ApprovalDecide,
    GrantRevoke,
    PlanEdit,
    RunHalt,
    TaskCancel,
)
from smartops.contracts.constraints import Constraints
from smartops.contracts.editing import PhaseChange, Unfit, edited
from smartops.contracts.folds import RunView
from smartops.contracts.ids import principal
from smartops.contracts.plan import Requester
from smartops.policy import domain
from smartops.policy.gate.editing import Editor, decide_edit
from smartops.policy.gate.quorum import holds
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import Decision
from support.gate_base import TERMS, GateBase
from support.gate_people import CREDENTIALS, PEOPLE
from support.line_tools import TOOLS, Choose
from support.plans import TASK

__all__ = ["VoicesSide"]


class VoicesSide(GateBase):
    """Whoever has a say."""

    def a_voice(
        self,
        choose: Choose,
        credential: str | None = None,
        decision: str | None = None,
    ) -> bool:
        """Somebody decides on a plan; whether that counted."""
        required = self.gate.required
        if required is None:
            return False
        speaking_for = None
        if credential is None:
            given = self.people.given()
            credential = choose((*sorted(CREDENTIALS), *[one.to_name for one in given] * 2))
            given = [one for one in given if one.to_name == CREDENTIALS[credential]]
            names = [one.name for one in given]
            speaking_for = choose((None, *names, *names, choose(sorted(PEOPLE))))
        decision = decision or choose(("approve",) * 9 + ("reject", "replan"))
        fields: dict[str, Any] = {}
        if decision == "replan":
            fields["then"] = "replan"
            fields["constraints"] = choose(
                (Constraints(), Constraints(exclude_assets=(choose(("t1", "t2")),)))
            )
        elif decision == "approve":
            fields["limits"] = choose((Limits(),) * 4 + self._limits())
        vote = ApprovalDecide(
            task=TASK,
            plan_hash=choose((required.plan_hash,) * 9 + (digest(b"another"),)),
            assessment_hash=choose((required.assessment_hash,) * 9 + (digest(b"another"),)),
            decision="approve" if decision == "approve" else "reject",
            for_actor=None if speaking_for is None else self.people.mapped(speaking_for).actor,
            **fields,
        )
        plan = self.plans[required.number]

        def decide(gate: Gate) -> Decision:
            voter = self.people.voter(credential, gate, self.now, speaking_for=speaking_for)
            return domain.decide_vote(gate, TASK, vote, voter, plan, TERMS, self.now)

        return self._say_twice(decide)

    def _limits(self) -> tuple[Limits, ...]:
        return (
            Limits(max_targets=1),
            Limits(max_calls=2),
            Limits(condition="error_rate < 1%"),
            Limits(expires_at=self.now + timedelta(minutes=30)),
        )

    def somebody_breaks_the_glass(self, choose: Choose) -> bool:
        """Somebody lets a plan run alone, if he may."""
        required = self.gate.required
        if required is None:
            return False
        credential = choose(sorted(CREDENTIALS))
        command = ApprovalBreakGlass(
            task=TASK,
            plan_hash=choose((required.plan_hash,) * 4 + (digest(b"another"),)),
            assessment_hash=required.assessment_hash,
            justification="customers cannot pay, nobody else is awake",
        )
        plan = self.plans[required.number]

        def decide(gate: Gate) -> Decision:
            voter = self.people.voter(credential, gate, self.now, way="break_glass")
            return domain.break_glass(gate, command, voter, plan, TERMS, self.now)

        return self._say_twice(decide)

    def somebody_edits(self, choose: Choose) -> bool:
        """Somebody has the plan at hand written anew, if he may."""
        required = self.gate.required
        if required is None:
            return False
        credential, plan = choose(sorted(CREDENTIALS)), self.plans[required.number]
        what: dict[str, Any] = {"phases": (PhaseChange(wait_ms=choose((0, 2000))),)}
        if choose((False, True)):
            what = {"exclude": (choose(plan.targets()),)}
        command = PlanEdit(
            task=TASK,
            plan_hash=choose((required.plan_hash,) * 4 + (digest(b"another"),)),
            reason="rather so",
            **what,
        )
        who = Requester(principal=principal("local", credential), authtype="local")
        made = edited(plan, command.edit, who, TOOLS)
        editor, name = Editor(who.principal, who.authtype), CREDENTIALS[credential]
        if name is not None:
            mapped, asked = self.people.mapped(name), (*required.roles, *self.gate.escalated)
            may = not mapped.disabled and any(holds(mapped.roles, role) for role in asked)
            editor = replace(editor, actor=mapped.actor, name=name, roles=mapped.roles)
            editor = replace(editor, denials=() if may else ("policy does not let you",))
        done = self._say_twice(lambda gate: decide_edit(gate, command, editor, made, self.now))
        assert not (done and isinstance(made, Unfit))
        return done

    def step_in(self, what: str) -> bool:
        """A person stops the task, or the run that there is; whether it had an effect."""
        if self.line is not None and self.gate.grant is not None:
            return self.through_the_line(lambda line: line.step_in(what))
        run, command = RunView(), {"task": TASK, "reason": "enough"}
        match what:
            case "cancel" | "keep":
                end = TaskCancel(**command, keep_changes=what == "keep")
                return self._say_twice(lambda g: domain.cancel(g, TASK, end, "op", None, run))
            case "halt":
                pull = RunHalt(**command)
                return self._say_twice(lambda g: domain.halt(g, pull, "op", None, run))
            case "revoke":
                take = GrantRevoke(**command)
                return self._say_twice(lambda g: domain.revoke(g, take, "op", None, run))
            case _:
                return False
