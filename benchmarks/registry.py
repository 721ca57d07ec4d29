"""All experiments, by kind and name."""

from __future__ import annotations

from benchmarks.bench.append import APPEND
from benchmarks.bench.audit_projection import AUDIT_PROJECTION
from benchmarks.bench.fan_out import FAN_OUT
from benchmarks.bench.growth import GROWTH
from benchmarks.bench.ops_task import OPS_TASK, OPS_TASK_WRITE
from benchmarks.bench.policy import POLICY
from benchmarks.bench.rebuild import REBUILD
from benchmarks.bench.soak import SOAK
from benchmarks.lib.experiment import Experiment
from benchmarks.prove.approval_races import APPROVAL_RACES
from benchmarks.prove.clock_jumps import CLOCK_JUMPS
from benchmarks.prove.concurrent_writers import CONCURRENT_WRITERS
from benchmarks.prove.crash_sweep import CRASH_SWEEP
from benchmarks.prove.disk_full import DISK_FULL
from benchmarks.prove.duplicates_and_replays import DUPLICATES_AND_REPLAYS
from benchmarks.prove.forgeries import FORGERIES_PROOF
from benchmarks.prove.guards import GUARDS
from benchmarks.prove.hostile_calls import HOSTILE_CALLS
from benchmarks.prove.kill_everything import KILL_EVERYTHING
from benchmarks.prove.kill_lottery import KILL_LOTTERY
from benchmarks.prove.killed_in_mid_commit import KILLED_IN_MID_COMMIT
from benchmarks.prove.lost_bus import NATS_LOSS, STALE_NATS_RESTORE
from benchmarks.prove.lost_durables import LOST_DURABLES
from benchmarks.prove.permissions import PERMISSIONS
from benchmarks.prove.plan_tampering import PLAN_TAMPERING
from benchmarks.prove.poison import POISON
from benchmarks.prove.policy_replay import POLICY_REPLAY
from benchmarks.prove.postgres_stops import POSTGRES_STOPS
from benchmarks.prove.power_cut import POWER_CUT
from benchmarks.prove.slow_and_lying_network import SLOW_AND_LYING_NETWORK
from benchmarks.prove.tampering import TAMPERING
from benchmarks.prove.withdrawals import WITHDRAWALS
from benchmarks.prove.zombies import ZOMBIES

__all__ = ["EXPERIMENTS"]


def _by_name(*experiments: Experiment) -> dict[str, Experiment]:
    return {experiment.name: experiment for experiment in experiments}


EXPERIMENTS = {
    "bench": _by_name(
        OPS_TASK, OPS_TASK_WRITE, FAN_OUT, AUDIT_PROJECTION, APPEND, REBUILD, GROWTH, SOAK, POLICY
    ),
    "prove": _by_name(
        PERMISSIONS,
        KILL_EVERYTHING,
        KILL_LOTTERY,
        CLOCK_JUMPS,
        NATS_LOSS,
        STALE_NATS_RESTORE,
        SLOW_AND_LYING_NETWORK,
        POSTGRES_STOPS,
        DUPLICATES_AND_REPLAYS,
        POISON,
        DISK_FULL,
        POWER_CUT,
        CONCURRENT_WRITERS,
        TAMPERING,
        WITHDRAWALS,
        FORGERIES_PROOF,
        HOSTILE_CALLS,
        PLAN_TAMPERING,
        APPROVAL_RACES,
        POLICY_REPLAY,
        ZOMBIES,
        LOST_DURABLES,
        KILLED_IN_MID_COMMIT,
        CRASH_SWEEP,
        GUARDS,
    ),
}
