"""Upper bounds of the histograms, in the unit of each metric, chosen around what is expected."""

from __future__ import annotations

from typing import Final

__all__ = ["AGENT", "APPROVAL", "EXECUTION", "HANDLER", "TOOL"]

HANDLER: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
"""Seconds in a handler: most end within the first four; walking the bounds is linear."""

AGENT: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds of an agent: milliseconds for a playbook, minutes for a model that asks for evidence."""

TOOL: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds of one tool call: milliseconds for a read, minutes for a restart."""

EXECUTION: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
"""Seconds of a run: its phases, and the windows in which health is watched."""

APPROVAL: Final = (10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 604_800.0)
"""Seconds until a person decides: from at once to a week."""
