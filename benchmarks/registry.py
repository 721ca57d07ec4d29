"""All experiments, by kind and name."""

from __future__ import annotations

from benchmarks.bench.audit_projection import AUDIT_PROJECTION
from benchmarks.bench.ops_task import OPS_TASK, OPS_TASK_WRITE
from benchmarks.lib.experiment import Experiment
from benchmarks.prove.kill_everything import KILL_EVERYTHING

__all__ = ["EXPERIMENTS"]


def _by_name(*experiments: Experiment) -> dict[str, Experiment]:
    return {experiment.name: experiment for experiment in experiments}


EXPERIMENTS = {
    "bench": _by_name(OPS_TASK, OPS_TASK_WRITE, AUDIT_PROJECTION),
    "prove": _by_name(KILL_EVERYTHING),
}
