"""All experiments, by kind and name."""

from __future__ import annotations

from benchmarks.bench.append import APPEND
from benchmarks.bench.audit_projection import AUDIT_PROJECTION
from benchmarks.bench.growth import GROWTH
from benchmarks.bench.ops_task import OPS_TASK, OPS_TASK_WRITE
from benchmarks.bench.rebuild import REBUILD
from benchmarks.lib.experiment import Experiment
from benchmarks.prove.duplicates_and_replays import DUPLICATES_AND_REPLAYS
from benchmarks.prove.kill_everything import KILL_EVERYTHING
from benchmarks.prove.lost_bus import NATS_LOSS, STALE_NATS_RESTORE
from benchmarks.prove.permissions import PERMISSIONS
from benchmarks.prove.poison import POISON
from benchmarks.prove.postgres_stops import POSTGRES_STOPS
from benchmarks.prove.slow_and_lying_network import SLOW_AND_LYING_NETWORK

__all__ = ["EXPERIMENTS"]


def _by_name(*experiments: Experiment) -> dict[str, Experiment]:
    return {experiment.name: experiment for experiment in experiments}


EXPERIMENTS = {
    "bench": _by_name(OPS_TASK, OPS_TASK_WRITE, AUDIT_PROJECTION, APPEND, REBUILD, GROWTH),
    "prove": _by_name(
        PERMISSIONS,
        KILL_EVERYTHING,
        NATS_LOSS,
        STALE_NATS_RESTORE,
        SLOW_AND_LYING_NETWORK,
        POSTGRES_STOPS,
        DUPLICATES_AND_REPLAYS,
        POISON,
    ),
}
