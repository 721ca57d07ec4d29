"""What a proof says where it cannot be run."""

from __future__ import annotations

import os

from benchmarks.lib.experiment import Outcome

__all__ = ["not_proven"]

ALLOW_SKIP = "ALLOW_SKIP"
"""Set to 1 by whoever knows that this machine cannot show it, and does not want to be told."""


def not_proven(why: str) -> Outcome:
    """Nothing was shown: void, which is no success, unless the environment allows to skip it."""
    figures = {"kept": False, "skipped": why}
    if os.environ.get(ALLOW_SKIP) == "1":
        return Outcome(figures)
    return Outcome(figures, void=f"not proven: {why}")
