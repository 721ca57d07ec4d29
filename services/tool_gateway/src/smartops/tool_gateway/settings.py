"""The gateway's settings: the only ones that may name a tool's secret."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from smartops.runtime.settings import ServiceSettings

__all__ = ["GatewaySettings"]


class GatewaySettings(ServiceSettings):
    """Beyond the common ones: where the tools' systems are, and their credentials."""

    fleet_url: str | None = None
    """Base URL of the fleet's control API; none leaves the fleet's tools unregistered."""

    fleet_token_file: Path | None = None
    """File with the bearer token for it."""

    secrets_dir: Path | None = None
    """Folder with one file per secret that arguments may refer to as {"$secret": name}."""

    bundle: Path | None = None
    """Folder of Rego modules; none takes the one that comes with the product."""

    max_output_bytes: int = Field(default=1_000_000, ge=1)
    """Answers larger than this are cut off and count as failed."""
