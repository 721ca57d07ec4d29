"""What every service is told at its start. Read from the environment once, in `__main__`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from smartops.runtime.rights import read_command_roles

__all__ = ["ServiceSettings"]


class ServiceSettings(BaseSettings):
    """Settings that all services share; each service adds its own.

    Environment variables are the field names in upper case with the prefix `SMARTOPS_`, except
    those with an alias.
    """

    model_config = SettingsConfigDict(
        env_prefix="SMARTOPS_", frozen=True, extra="forbid", populate_by_name=True
    )

    database_url: SecretStr = Field(alias="DATABASE_URL")
    """PostgreSQL, as this service's own role: `postgresql://role:password@host:port/database`."""

    nats_url: str = Field(default="nats://127.0.0.1:4222", alias="NATS_URL")
    """One server, or several of one cluster, separated by commas."""

    nats_seed_file: Path | None = None
    """File with this service's NKEY seed; none for a server without authentication."""

    prefix: str = "smartops"
    """First token of all subjects; empty inside a tenant's own account."""

    events_enabled: bool = True
    """False: nothing is published. Work goes on by sweeps, outsiders hear nothing."""

    events_mode: Literal["jetstream", "logger"] = "jetstream"
    """`logger` prints each published event as well; it never replaces the bus."""

    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, alias="PORT", ge=0, le=65535)
    """Port of /health, /ready and /metrics; 0 takes a free one."""

    health_file: Path | None = None
    """Where the address of the health pages is written once they answer."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", alias="LOG_LEVEL"
    )
    log_format: Literal["json", "text"] = Field(default="json", alias="LOG_FORMAT")
    traces: str = "off"
    """`off`, `console`, `file:<path>` or `otlp`; when off, trace context is still passed on."""

    shutdown_grace: timedelta = timedelta(seconds=15)
    """For handlers in hand at SIGTERM."""

    command_roles: Annotated[Mapping[str, tuple[str, ...]], AfterValidator(read_command_roles)] = (
        Field(default_factory=dict)
    )
    """JSON object from commands to roles, such as {"run.resume": ["operator"]}: who gives such a
    command needs one of them, beside what its decider asks for. What is not named everybody with a
    credential of the tenant may. The same for all services."""
