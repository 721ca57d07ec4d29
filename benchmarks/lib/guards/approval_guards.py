"""Guards of the gate, switched off: seen by people who decide at once, and by exchanged plans."""

from __future__ import annotations

from benchmarks.lib.guards.mutant import Edit, Mutant, Trial

__all__ = ["APPROVAL_GUARDS"]

_POLICY = "services/policy/src/smartops/policy"
_REGO = "infra/policies/approval.rego"
_RACE = Trial("approval-races", ("--rounds", "60"))
_EXCHANGE = Trial("plan-tampering", ("--rounds", "1"))

APPROVAL_GUARDS = (
    Mutant(
        "four-eyes",
        "who asked for a plan, or edited it, does not approve it: by decider, count and policy",
        (
            Edit(
                f"{_POLICY}/voting.py",
                '    if refusal is None and vote.decision == "approve":',
                "    if False:",
            ),
            Edit(f"{_POLICY}/quorum.py", "set(involved)", "set()"),
            Edit(_REGO, "\tinput.requester in persons\n", "\tfalse\n"),
            Edit(_REGO, "\teditor in persons\n", "\tfalse\n"),
        ),
        _RACE,
        "the requester is among those who approved",
    ),
    Mutant(
        "first-decision",
        "what was decided is decided",
        (
            Edit(
                f"{_POLICY}/settling.py",
                "    if grant is not None and grant.number == required.number:",
                "    if False:",
            ),
        ),
        _RACE,
        "a plan is granted, and then decided on once more",
    ),
    Mutant(
        "edited-is-closed",
        "a plan that was edited is decided on by nobody any more",
        (Edit(f"{_POLICY}/replanning.py", "    if not gate.replaced:\n", "    if True:\n"),),
        _RACE,
        "a plan is granted though it was edited",
    ),
    Mutant(
        "unfounded-grant",
        "a grant counts only if what came before it says the same",
        (
            Edit(
                "services/tool_gateway/src/smartops/tool_gateway/checks.py",
                "    if gate.unfounded:",
                "    if False:",
            ),
        ),
        _EXCHANGE,
        "one changed row lets another plan out",
    ),
)
