"""The judgement of a run in which parts were killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.lib.kill_report import kill_figures, share_hit
from benchmarks.lib.nemesis import Kill
from benchmarks.lib.ordeal import ENOUGH, Verdict

__all__ = ["judge_kills"]


def judge_kills(verdict: Verdict, kills: Sequence[Kill], told: Mapping[str, object]) -> Verdict:
    """Tell what the kills met and how long each part was away.

    A kill is a moment: only tasks that were under way just then count as hit, not those that came
    while the part was away. The run is void if too few were.

    Args:
        verdict: what `judge` found.
        kills: what was done.
        told: further figures, which come first.
    """
    hit = share_hit(verdict.evidence, kills)
    void = verdict.void
    if void is None and hit < ENOUGH:
        void = f"{hit:.0%} of the tasks were hit by a kill; {ENOUGH:.0%} wanted"
    figures = {
        **told,
        **{key: value for key, value in verdict.figures.items() if not key.endswith("at_fault")},
        **kill_figures(verdict.evidence, kills),
        "share_in_flight_at_kill": verdict.figures["share_in_flight_at_fault"],
        "share_of_tasks_hit": round(hit, 3),
    }
    figures.pop("faults")
    return replace(verdict, figures=figures, void=void)
