"""Policy's settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from smartops.policy.gate.prompting import Schedule
from smartops.runtime.deciding import DecidingSettings

__all__ = ["PolicySettings"]


class PolicySettings(DecidingSettings):
    """Beyond the common ones: who is who, how long people have, which bundle holds."""

    actors_file: Path | None = None
    """JSON list of actors, as `ActorEntry`; none leaves the mapping as the log has it."""

    approval_ttl: timedelta = timedelta(hours=24)
    """Time to decide; then the approval expires, which is never an approval."""

    grant_ttl: timedelta = timedelta(hours=4)
    """Longest time from a grant to the last dispatch under it: the longest run. Where a plan must
    wait for a maintenance window, from the time at which that opens."""

    approval_reminders: str = "0.5,0.9"
    """When those who are asked are asked again: fractions of the time to decide, or durations from
    its beginning (`PT4H`), separated by commas. Empty: never."""

    approval_chain: str = "senior-approver@0.75"
    """Who may decide, too, from when on, while nobody does: `role@0.75` or `role@PT2H`, separated
    by commas. As many must agree as before. Empty: nobody else."""

    delegation_ttl: timedelta = timedelta(days=30)
    """Longest time for which a voice can be handed over."""

    standing_ttl: timedelta = timedelta(days=90)
    """Longest time for which plans can be agreed to beforehand."""

    max_replans: int = Field(default=3, ge=0, le=100)
    """How often a task may be planned anew, because its plan was rejected with that wish or rests
    on what has changed; then it ends."""

    bundle: Path | None = None
    """Folder of Rego modules; none takes the one that comes with the product. It is put in force
    where no bundle is yet, at the first start; from then on `smartops policy` changes policy."""

    governing_tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")] | None = None
    """The tenant whose people, with the role `policy-admin`, change the policy in force: bundles
    are the platform's, and hold for all tenants. None: the only tenant there is; as soon as there
    are several, nobody."""

    local_credentials_in_production: bool = False
    """Accept approvals for production by local credentials. For single machines only."""

    autonomy_file: Path | None = None
    """JSON file with autonomy modes and limits by environment and tool; none leaves all as
    shipped."""

    default_autonomy: int = Field(default=2, ge=0, le=3)
    """Level of agents that nobody raised or lowered, outside production."""

    production_autonomy: int = Field(default=1, ge=0, le=3)
    """The same, in production."""

    anomaly_window: int = Field(default=20, ge=1, le=100)
    """Ends of an agent's last runs, per version and environment, that are held against its level
    when too many of them were no success."""

    anomaly_least_runs: int = Field(default=5, ge=1, le=100)
    """Fewer of them say nothing yet."""

    anomaly_success_percent: int = Field(default=90, ge=0, le=100)
    """Success among them below which one more end without success costs a level. From the quality
    score, whose lowest mark for past success is given from 90 % on."""

    phone_region: str | None = None
    """Whose national phone numbers are found in edits and reasons, such as DE; none finds only
    those that begin with + and a country. Planner, gateway and runner need the same."""

    find_addresses: bool = False
    """Guess at postal addresses, too; planner, gateway and runner need the same."""

    @model_validator(mode="after")
    def _prompts_are_readable(self) -> Self:
        Schedule.parse(self.approval_reminders, self.approval_chain)
        return self
