"""Guards of the gate, switched off: seen by people who decide at once, and by exchanged plans."""

from __future__ import annotations

from benchmarks.lib.guards.mutant import Edit, Mutant, Trial

__all__ = ["APPROVAL_GUARDS"]

_POLICY = "services/policy/src/smartops/policy/gate"
_RACE = Trial("approval-races", ("--rounds", "60"))
_EXCHANGE = Trial("plan-tampering", ("--rounds", "1"))

APPROVAL_GUARDS = (
    Mutant(
        "four-eyes",
        "who asked for a plan, or edited it, is found out: decider, count and policy rest on that",
        (
            Edit(
                f"{_POLICY}/voters.py",
                "        return Hands(who, tuple(editors), reads, tuple(involved))",
                "        return Hands(None, (), reads, ())",
            ),
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
