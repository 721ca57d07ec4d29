"""`python -m smartops.planner`: settings, telemetry, app, run."""

from __future__ import annotations

from smartops.planner.app import wire
from smartops.planner.settings import PlannerSettings
from smartops.runtime.main import run_service

if __name__ == "__main__":
    run_service("planner", PlannerSettings(), wire)
