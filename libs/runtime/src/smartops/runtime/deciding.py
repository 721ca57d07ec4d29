"""Settings of the services that ask policy: which engine decides."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from smartops.runtime.settings import ServiceSettings

__all__ = ["DecidingSettings"]


class DecidingSettings(ServiceSettings):
    """Of a service that decides by policy."""

    opa_url: str | None = Field(default=None, alias="OPA_URL", pattern=r"^https?://")
    """Base URL of an OPA server that decides by the bundle in force, which is pushed to it; none
    decides in this process."""

    opa_token_file: Path | None = None
    """File with a bearer token for the OPA server; none sends none."""

    opa_timeout: timedelta = Field(default=timedelta(seconds=1), gt=timedelta())
    """Longest wait for one decision of the OPA server; the service does nothing else meanwhile."""
