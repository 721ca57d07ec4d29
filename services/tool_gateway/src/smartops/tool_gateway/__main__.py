"""`python -m smartops.tool_gateway`: settings, telemetry, app, run."""

from __future__ import annotations

from smartops.runtime.main import run_service
from smartops.tool_gateway.app import wire
from smartops.tool_gateway.settings import GatewaySettings

if __name__ == "__main__":
    run_service("tool_gateway", GatewaySettings(), wire)
