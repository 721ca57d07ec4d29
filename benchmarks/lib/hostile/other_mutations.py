"""What can be wrong with a request to take back, or to look."""

from __future__ import annotations

from smartops.contracts.ids import call_id
from smartops.contracts.wire import Purpose

from benchmarks.lib.hostile.drafts import Draft, Mutation
from benchmarks.lib.hostile.held import HELD
from benchmarks.lib.hostile.step_mutations import ANYWHERE

__all__ = ["LOOKS", "UNDOS"]

# ---- taking back ---------------------------------------------------------------------------

_CALL = frozenset({"call_mismatch"})
_TERMS = frozenset({"undo_mismatch"})
_NOT_ITS = frozenset({"not_its_call"})


def _of_another_run(draft: Draft) -> bool:
    done = [call for scene in draft.others for call in scene.done.values()]
    if not done:
        return False
    draft.fields["undoes"] = draft.random.choice(done)
    return True


def _of_nothing(draft: Draft) -> bool:
    draft.fields["undoes"] = draft.random.choice((None, draft.uuid()))
    return True


def _of_what_has_no_way_back(draft: Draft) -> bool:
    steps = draft.scene.irreversible()
    if not steps:
        return False
    step = draft.random.choice(steps)
    question = f"undo/{step.id}"
    draft.fields |= {
        "undoes": draft.scene.done[step.id],
        "question": question,
        "attempt": draft.scene.attempt(question, Purpose.UNDO),
    }
    return True


def _with_another_tool(draft: Draft) -> bool:
    draft.fields["tool"] = draft.random.choice(("restart_server", "drain_server", "noop_write"))
    return True


def _with_another_version(draft: Draft) -> bool:
    draft.fields["version"] = draft.random.choice(("0", "2"))
    return True


def _of_another_target(draft: Draft) -> bool:
    draft.fields["target"] = draft.victim
    return True


def _under_another_id(draft: Draft) -> bool:
    draft.fields["call"] = draft.uuid()
    return True


def _under_another_name(draft: Draft) -> bool:
    """A name of its own is a key of its own: the same taking back, as often as one likes."""
    draft.fields["question"] += f"/{draft.random.getrandbits(32):x}"
    draft.fields["attempt"] = 1
    return True


def _attempt_not_due(draft: Draft) -> bool:
    draft.fields["attempt"] += 2 * draft.random.randint(20, 40) + 1
    while (
        call_id(draft.stream, draft.fields["question"], Purpose.UNDO, draft.fields["attempt"] - 1)
        in draft.scene.burnt
    ):
        draft.fields["attempt"] += 2
    return True


UNDOS: tuple[Mutation, ...] = (
    *ANYWHERE,
    Mutation("undo of another run's call", frozenset({"undoes"}), _NOT_ITS, _of_another_run),
    Mutation("undo of nothing", frozenset({"undoes"}), _NOT_ITS, _of_nothing),
    Mutation(
        "undo of what has no way back",
        frozenset({"undoes", "question", "attempt"}),
        frozenset({"no_entitlement", "undo_mismatch"}),
        _of_what_has_no_way_back,
    ),
    Mutation("undo with another tool", frozenset({"tool"}), _TERMS, _with_another_tool),
    Mutation("undo with another version", frozenset({"version"}), _TERMS, _with_another_version),
    Mutation("undo of another target", frozenset({"target"}), _TERMS, _of_another_target),
    Mutation("undo under another id", frozenset({"call"}), _CALL, _under_another_id),
    Mutation(
        "undo under another name", frozenset({"question", "attempt"}), _CALL, _under_another_name
    ),
    Mutation(
        "undo whose attempt is not due",
        frozenset({"attempt"}),
        frozenset({"attempt_not_due"}),
        _attempt_not_due,
    ),
)
"""Wrong with a request to take back."""

# ---- looking -------------------------------------------------------------------------------

_SHAPE = frozenset({"bad_arguments", "other_target"})
_ARGUMENTS = frozenset({"arguments"})
_HIDDEN = frozenset({"missing_secret", "secret_not_bound", "missing_pii"}) | _SHAPE


def _that_writes(draft: Draft) -> bool:
    asset = draft.victim
    draft.fields["tool"], draft.fields["arguments"] = draft.random.choice(
        (
            ("apply_patch", {"asset": asset, "version": "6.6.6"}),
            ("restart_server", {"asset": asset, "reason": "to see"}),
            ("drain_server", {"asset": asset}),
            ("set_config_value", {"asset": "k", "value": "v", "expected_revision": 1}),
            ("noop_write", {}),
        )
    )
    return True


def _with_an_unknown_tool(draft: Draft) -> bool:
    draft.fields["tool"] = draft.random.choice(("get_secrets", "cat", "get_assets"))
    return True


def _with_a_changed_tool(draft: Draft) -> bool:
    draft.fields["version"] = draft.random.choice(("0", "2", "1.1"))
    return True


def _without_arguments(draft: Draft) -> bool:
    draft.fields["arguments"] = None
    return True


def _with_wrong_types(draft: Draft) -> bool:
    bad: tuple[object, ...] = (
        7,
        True,
        None,
        [draft.victim],
        {"id": draft.victim},
        "",
        "a b",
        "../x",
    )
    draft.fields["arguments"] = {"asset": draft.random.choice(bad)}
    return True


def _with_a_field_more(draft: Draft) -> bool:
    name = draft.random.choice(("force", "Asset", "asset ", "__proto__", "version"))
    draft.fields["arguments"] = {"asset": draft.victim, name: draft.random.choice((1, "x", None))}
    return True


def _with_a_field_less(draft: Draft) -> bool:
    draft.fields["arguments"] = {}
    return True


def _oversized(draft: Draft) -> bool:
    draft.fields["arguments"] = {"asset": "w" * draft.random.choice((5_000, 50_000, 200_000))}
    return True


def _with_a_secret(draft: Draft) -> bool:
    """What a reference stands for would come back in the answer, which says what it was told."""
    name = draft.random.choice((HELD, "playground.token", "vault", "x"))
    hidden = {"$secret": name}
    pad = draft.random.choice((hidden, {**hidden, "$secret ": name}, [hidden]))
    draft.fields |= {"tool": "noop", "arguments": {"n": 1, "pad": pad}}
    return True


def _with_the_secret_of_another_tool(draft: Draft) -> bool:
    """It is there, and a read needs no approval: only its binding is in the way."""
    draft.fields |= {"tool": "noop", "arguments": {"n": 1, "pad": {"$secret": HELD}}}
    return True


def _with_personal_data(draft: Draft) -> bool:
    """A token of somebody else: whatever stands behind it is not this task's to see."""
    token = f"{draft.random.getrandbits(256):064x}"
    hidden = {"$pii": draft.random.choice(("email", "phone", "name", "x")), "token": token}
    draft.fields |= {"tool": "noop", "arguments": {"n": 1, "pad": hidden}}
    return True


LOOKS: tuple[Mutation, ...] = (
    *ANYWHERE,
    Mutation(
        "a look that writes",
        frozenset({"tool", "arguments"}),
        frozenset({"not_a_read"}),
        _that_writes,
    ),
    Mutation(
        "a look with an unknown tool",
        frozenset({"tool"}),
        frozenset({"unknown_tool"}),
        _with_an_unknown_tool,
    ),
    Mutation(
        "a look with a changed tool",
        frozenset({"version"}),
        frozenset({"tool_changed"}),
        _with_a_changed_tool,
    ),
    Mutation(
        "a look without arguments",
        _ARGUMENTS,
        frozenset({"no_arguments"}),
        _without_arguments,
    ),
    Mutation("arguments of wrong types", _ARGUMENTS, _SHAPE, _with_wrong_types),
    Mutation("a field more", _ARGUMENTS, _HIDDEN, _with_a_field_more),
    Mutation("a field less", _ARGUMENTS, _SHAPE, _with_a_field_less),
    Mutation("oversized arguments", _ARGUMENTS, _SHAPE, _oversized),
    Mutation("a smuggled secret", _ARGUMENTS | {"tool"}, _HIDDEN, _with_a_secret),
    Mutation(
        "the secret of another tool",
        _ARGUMENTS | {"tool"},
        frozenset({"secret_not_bound"}),
        _with_the_secret_of_another_tool,
    ),
    Mutation("smuggled personal data", _ARGUMENTS | {"tool"}, _HIDDEN, _with_personal_data),
)
"""Wrong with a request to look."""
