"""The small forms of `prove policy-replay` and `bench policy`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import policy
from benchmarks.prove import policy_replay


async def test_history_is_decided_again_the_same_and_otherwise_only_where_expected(
    tmp_path: Path,
) -> None:
    plan = policy_replay.Plan(decisions=200, servers=20)

    outcome = await policy_replay.policy_replay(tmp_path / "home", plan)

    assert outcome.violations == ()
    assert outcome.void is None
    assert outcome.figures["differences_same_bundle"] == 0


async def test_every_question_of_the_benchmark_is_answered_with_yes() -> None:
    outcome = await policy.policy(policy.Plan(seconds=0.2, steps=(3, 50), quiet_s=0))

    # How fast is for machines at rest to say.
    assert outcome.void is None or "busy" in outcome.void
    decisions = outcome.figures["decisions"]
    assert isinstance(decisions, dict)
    assert set(decisions) == {
        "plan of 3 steps",
        "plan of 50 steps",
        "gate",
        "tool_call",
        "tool_call of Terraform",
        "approval",
    }
