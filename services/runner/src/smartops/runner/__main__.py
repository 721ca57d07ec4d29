"""`python -m smartops.runner`: settings, telemetry, app, run."""

from __future__ import annotations

from smartops.runner.app import wire
from smartops.runner.settings import RunnerSettings
from smartops.runtime.main import run_service

if __name__ == "__main__":
    run_service("runner", RunnerSettings(), wire)
