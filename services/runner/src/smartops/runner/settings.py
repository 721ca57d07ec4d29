"""The runner's settings: those that all services share, and what its sandbox must hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from smartops.runtime.settings import ServiceSettings

__all__ = ["RunnerSettings"]


class RunnerSettings(ServiceSettings):
    """Beyond the common ones: how code that is part of a plan is fenced in. It holds no secret."""

    sandbox_level: Literal["process", "landlock", "bubblewrap"] = "landlock"
    """The weakest sandbox that is good enough for computed steps: `process`, which does not cut off
    the network, `landlock` or `bubblewrap`. Where it does not hold they are refused."""

    compute_time: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(
        seconds=10
    )
    """How long the code of one step may take, by the clock."""

    compute_cpu: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(minutes=5))] = (
        timedelta(seconds=5)
    )
    """The same in computing time, whole seconds."""

    compute_memory_mib: int = Field(default=256, ge=64, le=8192)
    """Address space of the code of one step, in MiB; about 20 are the interpreter's own."""

    phone_region: str | None = None
    """Whose national phone numbers are found, such as DE; none finds only those that begin with +
    and a country. Planner and gateway need the same."""

    find_addresses: bool = False
    """Guess at postal addresses, too; planner and gateway need the same."""
