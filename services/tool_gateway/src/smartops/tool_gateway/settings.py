"""The gateway's settings: the only ones that may name a tool's secret."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from smartops.contracts.tools import Rate
from smartops.runtime.deciding import DecidingSettings
from smartops.tool_gateway.bindings import Bindings

__all__ = ["GatewaySettings"]


class GatewaySettings(DecidingSettings):
    """Beyond the common ones: where the tools' systems are, and their credentials."""

    fleet_url: str | None = None
    """Base URL of the fleet's control API; none leaves the fleet's tools unregistered."""

    fleet_token_file: Path | None = None
    """File with the bearer token for it."""

    prometheus_url: str | None = None
    """Base URL of a Prometheus server; none leaves `query_prometheus` unregistered."""

    prometheus_token_file: Path | None = None
    """File with the bearer token for it."""

    secrets_dir: Path | None = None
    """Folder with one file per secret that arguments may refer to as {"$secret": name}."""

    secret_bindings: Bindings = Field(default_factory=dict)
    """JSON, such as {"db/app": {"tenants": ["acme"], "tools": ["set_config_value"]}}: which tools
    are told which secret, in whose work. A secret that is not named here is told to no tool."""

    vault_key_file: Path | None = None
    """File with the private keys that open the vault, one a line, the current one first. None:
    there is no vault; personal data in answers is blanked, and lost."""

    pii_key_file: Path | None = None
    """File with the key that tokens of personal data are made of; the planner has the same."""

    phone_region: str | None = None
    """Whose national phone numbers are found, such as DE; none finds only those that begin with +
    and a country. The planner needs the same."""

    find_addresses: bool = False
    """Guess at postal addresses, too; the planner needs the same."""

    privacy_role: str = "privacy"
    """Role of those who may have personal data revealed and erased."""

    bundle: Path | None = None
    """Folder of Rego modules; none takes the one that comes with the product. Only for logs whose
    bundle was put in force by a release that kept no copy: every other is read from the log."""

    max_output_bytes: int = Field(default=4_000_000, ge=1)
    """Longest answer that is read of any tool; of a write that answers more, the outcome is
    unknown. The metrics of some 20,000 servers on one page are as long."""

    reads_per_task: int = Field(default=100_000, ge=1)
    """Reads that one task may ask for: its evidence, and its run's health samples."""

    tenant_rate: Rate | None = None
    """JSON, such as {"calls": 600, "window_ms": 60000}: how often one tenant may call, all tools
    together; none leaves it to the tools' own rates."""

    egress_hosts: tuple[str, ...] | None = None
    """JSON list of the hosts that tools may talk to, as `host` or `host:port`; none allows exactly
    the configured endpoints. Link-local and metadata addresses only if listed as such."""

    @model_validator(mode="after")
    def _secrets_lie_somewhere(self) -> Self:
        if self.secret_bindings and self.secrets_dir is None:
            raise ValueError("SMARTOPS_SECRET_BINDINGS is set, and SMARTOPS_SECRETS_DIR is not")
        return self
