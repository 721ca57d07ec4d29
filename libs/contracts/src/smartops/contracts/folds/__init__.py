"""Small folds: what a service must know of streams that another service decides.

Each is a frozen state with a pure `evolve(state, event)`; events it does not care for leave it
unchanged. The deciding service has its own, richer state; these are the published view.
"""

from __future__ import annotations

from smartops.contracts.folds.autonomy import (
    AutonomyDefault,
    AutonomyScope,
    AutonomyView,
    effective_level,
    evolve_autonomy,
    evolve_autonomy_default,
    plan_level,
)
from smartops.contracts.folds.call import BY_POLICY, CallStatus, CallView, evolve_call
from smartops.contracts.folds.gate import GateView, evolve_gate
from smartops.contracts.folds.platform import (
    ActorView,
    BundleView,
    ToolView,
    evolve_actor,
    evolve_bundle,
    evolve_tool,
)
from smartops.contracts.folds.run import FINAL, STOPPING, RunView, evolve_run
from smartops.contracts.folds.standing import StandingView, evolve_standing
from smartops.contracts.folds.target import TargetView, evolve_target
from smartops.contracts.folds.task import TaskView, evolve_task
from smartops.contracts.folds.track import TrackView, evolve_track, track_stream

__all__ = [
    "BY_POLICY",
    "FINAL",
    "STOPPING",
    "ActorView",
    "AutonomyDefault",
    "AutonomyScope",
    "AutonomyView",
    "BundleView",
    "CallStatus",
    "CallView",
    "GateView",
    "RunView",
    "StandingView",
    "TargetView",
    "TaskView",
    "ToolView",
    "TrackView",
    "effective_level",
    "evolve_actor",
    "evolve_autonomy",
    "evolve_autonomy_default",
    "evolve_bundle",
    "evolve_call",
    "evolve_gate",
    "evolve_run",
    "evolve_standing",
    "evolve_target",
    "evolve_task",
    "evolve_tool",
    "evolve_track",
    "plan_level",
    "track_stream",
]
