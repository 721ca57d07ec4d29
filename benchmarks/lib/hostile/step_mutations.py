"""What can be wrong with a request for a step."""

from __future__ import annotations

from smartops.contracts.ids import call_id
from smartops.contracts.wire import Purpose

from benchmarks.lib.hostile.drafts import Draft, Mutation

__all__ = ["ANYWHERE", "STEPS"]

_STEP = frozenset({"step_mismatch"})
_OTHER_RUN = frozenset({"run_mismatch"})
_OTHER_TASK = frozenset({"task_mismatch"})

_TOOLS = ("drain_server", "undrain_server", "noop_write", "set_config_value", "execute_failover")
_UNKNOWN = ("rm_rf", "apply_patch.force", "shell", "apply_patchs", "restart_server_now")
_VERSIONS = ("0", "2", "1.0", "latest", "01")
_ASSETS = ("web-00", "web-1e3", "any", "localhost", "web-0001x")


def _hash_of_nothing(draft: Draft) -> bool:
    draft.fields["step"] = draft.digest()
    return True


def _no_hash(draft: Draft) -> bool:
    draft.fields["step"] = None
    return True


def _hash_of_another_step(draft: Draft) -> bool:
    others = [step for step in draft.scene.plan.steps if step.id != draft.fields["question"]]
    draft.fields["step"] = draft.random.choice(others).hash()
    return True


def _hash_of_another_plan(draft: Draft) -> bool:
    draft.fields["step"] = draft.random.choice(draft.other().plan.steps).hash()
    return True


def _hash_of_an_altered_step(draft: Draft) -> bool:
    """The step as it would be, were it for somebody else's server: its hash is sound."""
    step = draft.scene.plan.by_hash().get(draft.fields["step"] or "")
    if step is None:
        return False
    arguments = {**step.arguments, "asset": draft.victim}
    if "version" in arguments:
        arguments["version"] = "6.6.6"
    draft.fields["step"] = step.model_copy(
        update={"target": draft.victim, "arguments": arguments}
    ).hash()
    draft.fields["target"] = draft.victim
    return True


def _target_of_nobody(draft: Draft) -> bool:
    draft.fields["target"] = draft.random.choice((draft.victim, *_ASSETS))
    return True


def _target_of_the_plan(draft: Draft) -> bool:
    others = [t for t in draft.scene.plan.targets() if t != draft.fields["target"]]
    if not others:
        return False
    draft.fields["target"] = draft.random.choice(others)
    return True


def _target_of_another_run(draft: Draft) -> bool:
    draft.fields["target"] = draft.random.choice(draft.other().plan.targets())
    return True


def _another_tool(draft: Draft) -> bool:
    of_plan = sorted({step.tool for step in draft.scene.plan.steps} - {draft.fields["tool"]})
    draft.fields["tool"] = draft.random.choice((*_TOOLS, *of_plan))
    return True


def _unknown_tool(draft: Draft) -> bool:
    draft.fields["tool"] = draft.random.choice(_UNKNOWN)
    return True


def _a_read_as_a_step(draft: Draft) -> bool:
    draft.fields["tool"] = draft.random.choice(("get_asset", "noop", "query_assets"))
    return True


def _another_version(draft: Draft) -> bool:
    draft.fields["version"] = draft.random.choice(_VERSIONS)
    return True


def _another_question(draft: Draft) -> bool:
    step = draft.random.choice(draft.scene.plan.steps)
    asked = (f"{step.id}/again", f"wave-9/{step.id}", step.target, step.id.upper(), "0/http_200/0")
    draft.fields["question"] = draft.random.choice(asked)
    draft.fields["attempt"] = 1
    return True


def _another_id(draft: Draft) -> bool:
    draft.fields["call"] = draft.uuid()
    return True


def _id_of_another_attempt(draft: Draft) -> bool:
    named = draft.fields
    attempt = named["attempt"] + draft.random.randint(10**6, 10**9)
    draft.fields["call"] = call_id(draft.stream, named["question"], named["purpose"], attempt)
    return True


def _id_of_an_undo(draft: Draft) -> bool:
    named = draft.fields
    attempt = draft.random.randint(10**6, 10**9)
    draft.fields["call"] = call_id(draft.stream, named["question"], Purpose.UNDO, attempt)
    return True


def _id_of_another_run(draft: Draft) -> bool:
    named = draft.fields
    name = draft.other().name
    ident = call_id(name, f"{named['question']}/{draft.random.random()}", named["purpose"], 1)
    draft.fields["call"] = ident
    return True


def _attempt_that_is_not_due(draft: Draft) -> bool:
    # Far enough ahead: the one before it has not been asked for by anybody.
    draft.fields["attempt"] += draft.random.randint(50, 90) * 2 + 1
    while (
        call_id(
            draft.stream,
            draft.fields["question"],
            draft.fields["purpose"],
            draft.fields["attempt"] - 1,
        )
        in draft.scene.burnt
    ):
        draft.fields["attempt"] += 2
    return True


def _once_more(draft: Draft) -> bool:
    """A step that was done, as its next attempt."""
    done = [step for step in draft.scene.steps(draft.scene.phase) if step.id in draft.scene.done]
    if not done:
        return False
    draft.fields |= draft.scene.asking(draft.random.choice(done))
    return True


def _a_later_phase(draft: Draft) -> bool:
    """A step of the next phase, or of one that has ended without it."""
    scene = draft.scene
    elsewhere = [
        step
        for number in range(len(scene.plan.header.phases))
        if number != scene.phase
        for step in scene.steps(number)
        if step.id not in scene.done
    ]
    if not elsewhere:
        return False
    draft.fields |= scene.asking(draft.random.choice(elsewhere))
    return True


def _lies_about_its_phase(draft: Draft) -> bool:
    draft.fields["phase"] = draft.random.choice((None, -1, 7, draft.fields["phase"] + 1))
    return True


def _run_of_another(draft: Draft) -> bool:
    draft.fields["run"] = draft.other().grant.run
    return True


def _run_of_nobody(draft: Draft) -> bool:
    draft.fields["run"] = draft.random.choice((None, draft.uuid()))
    return True


def _task_of_another(draft: Draft) -> bool:
    draft.fields["task"] = draft.other().task
    return True


def _task_of_nobody(draft: Draft) -> bool:
    draft.fields["task"] = draft.uuid()
    return True


def _evidence_of_a_step(draft: Draft) -> bool:
    """A write that calls itself a look."""
    draft.fields["purpose"] = draft.random.choice((Purpose.OBSERVE, Purpose.EVIDENCE))
    draft.fields["attempt"] = 1
    draft.fields["question"] = f"{draft.fields['question']}/{draft.random.getrandbits(40):x}"
    asset = draft.fields["target"]
    draft.fields["arguments"] = {"asset": asset, "version": "6.6.6"}
    return True


def _undo_without_a_right(draft: Draft) -> bool:
    """A write that calls itself taking back."""
    draft.fields["purpose"] = Purpose.UNDO
    draft.fields["undoes"] = draft.random.choice((None, draft.uuid()))
    draft.fields["question"] = f"undo/{draft.fields['question']}"
    draft.fields["attempt"] = 1
    return True


ANYWHERE: tuple[Mutation, ...] = (
    Mutation("run of another", frozenset({"run"}), _OTHER_RUN, _run_of_another),
    Mutation("run of nobody", frozenset({"run"}), _OTHER_RUN, _run_of_nobody),
    Mutation("task of another", frozenset({"task"}), _OTHER_TASK, _task_of_another),
    Mutation("task of nobody", frozenset({"task"}), _OTHER_TASK, _task_of_nobody),
)
"""Wrong with any request."""

_ID = frozenset({"call"})
_CALL = frozenset({"call_mismatch"})
_WHOLE = frozenset({"step", "target", "tool", "version", "question", "attempt", "phase", "purpose"})

STEPS: tuple[Mutation, ...] = (
    *ANYWHERE,
    Mutation("hash of nothing", frozenset({"step"}), _STEP, _hash_of_nothing),
    Mutation("no hash", frozenset({"step"}), _STEP, _no_hash),
    Mutation("hash of another step", frozenset({"step"}), _STEP, _hash_of_another_step),
    Mutation("hash of another plan", frozenset({"step"}), _STEP, _hash_of_another_plan),
    Mutation(
        "hash of an altered step", frozenset({"step", "target"}), _STEP, _hash_of_an_altered_step
    ),
    Mutation("target of nobody", frozenset({"target"}), _STEP, _target_of_nobody),
    Mutation("target of the plan", frozenset({"target"}), _STEP, _target_of_the_plan),
    Mutation("target of another run", frozenset({"target"}), _STEP, _target_of_another_run),
    Mutation("another tool", frozenset({"tool"}), _STEP, _another_tool),
    Mutation("unknown tool", frozenset({"tool"}), _STEP, _unknown_tool),
    Mutation("a read as a step", frozenset({"tool"}), _STEP, _a_read_as_a_step),
    Mutation("another version", frozenset({"version"}), _STEP, _another_version),
    Mutation("another question", frozenset({"question", "attempt"}), _STEP, _another_question),
    Mutation("another id", _ID, _CALL, _another_id),
    Mutation("id of another attempt", _ID, _CALL, _id_of_another_attempt),
    Mutation("id of an undo", _ID, _CALL, _id_of_an_undo),
    Mutation("id of another run", _ID, _CALL, _id_of_another_run),
    Mutation(
        "attempt that is not due",
        frozenset({"attempt"}),
        frozenset({"attempt_not_due"}),
        _attempt_that_is_not_due,
    ),
    Mutation("once more", _WHOLE, frozenset({"attempt_not_due"}), _once_more),
    Mutation("a later phase", _WHOLE, frozenset({"phase_order"}), _a_later_phase),
    Mutation(
        "lies about its phase",
        frozenset({"phase"}),
        frozenset({"phase_order"}),
        _lies_about_its_phase,
    ),
    Mutation(
        "a write as a look",
        _WHOLE | {"arguments"},
        frozenset({"not_a_read"}),
        _evidence_of_a_step,
    ),
    Mutation(
        "undo without a right",
        _WHOLE | {"undoes"},
        frozenset({"not_its_call"}),
        _undo_without_a_right,
    ),
)
"""Wrong with a request for a step."""
