"""Small folds: what a service must know of streams that another service decides.

Each is a frozen state with a pure `evolve(state, event)`; events it does not care for leave it
unchanged. The deciding service has its own, richer state; these are the published view.
"""

from __future__ import annotations

from smartops.contracts.folds.call import CallStatus, CallView, evolve_call
from smartops.contracts.folds.gate import GateView, evolve_gate
from smartops.contracts.folds.platform import (
    ActorView,
    AutonomyView,
    BundleView,
    ToolView,
    evolve_actor,
    evolve_autonomy,
    evolve_bundle,
    evolve_tool,
)
from smartops.contracts.folds.run import RunView, evolve_run
from smartops.contracts.folds.target import TargetView, evolve_target
from smartops.contracts.folds.task import TaskView, evolve_task

__all__ = [
    "ActorView",
    "AutonomyView",
    "BundleView",
    "CallStatus",
    "CallView",
    "GateView",
    "RunView",
    "TargetView",
    "TaskView",
    "ToolView",
    "evolve_actor",
    "evolve_autonomy",
    "evolve_bundle",
    "evolve_call",
    "evolve_gate",
    "evolve_run",
    "evolve_target",
    "evolve_task",
    "evolve_tool",
]
