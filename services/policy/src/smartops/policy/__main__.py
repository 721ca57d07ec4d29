"""`python -m smartops.policy`: settings, telemetry, app, run."""

from __future__ import annotations

from smartops.policy.app import wire
from smartops.policy.settings import PolicySettings
from smartops.runtime.main import run_service

if __name__ == "__main__":
    run_service("policy", PolicySettings(), wire)
