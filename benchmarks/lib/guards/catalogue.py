"""All guards that can be switched off."""

from __future__ import annotations

from benchmarks.lib.guards.approval_guards import APPROVAL_GUARDS
from benchmarks.lib.guards.door_guards import DOOR_GUARDS
from benchmarks.lib.guards.execution_guards import EXECUTION_GUARDS
from benchmarks.lib.guards.log_guards import LOG_GUARDS
from benchmarks.lib.guards.mutant import Mutant
from benchmarks.lib.guards.service_guards import SERVICE_GUARDS

__all__ = ["MUTANTS"]

MUTANTS: dict[str, Mutant] = {
    mutant.name: mutant
    for mutant in (
        *LOG_GUARDS,
        *SERVICE_GUARDS,
        *EXECUTION_GUARDS,
        *APPROVAL_GUARDS,
        *DOOR_GUARDS,
    )
}
"""By name, for the command line."""
