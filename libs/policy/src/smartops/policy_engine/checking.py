"""Trying a bundle: every case asked, every difference told, nothing put in force."""

from __future__ import annotations

from dataclasses import dataclass

from smartops.policy_engine.bundle import CASES, Bundle
from smartops.policy_engine.cases import questions
from smartops.policy_engine.conformance import Failure, failures, probe
from smartops.policy_engine.regorus_engine import RegorusEngine

__all__ = ["Report", "check"]


@dataclass(frozen=True)
class Report:
    """What became of a bundle's cases."""

    engine: RegorusEngine
    """Holds the modules and data without the cases: for trying, not for deciding."""
    cases: int
    """How many were asked."""
    failures: tuple[Failure, ...]
    """Those that did not get the decision they expect; with any, no engine takes the bundle."""


def check(bundle: Bundle) -> Report:
    """Ask a bundle all of its cases; an engine that loads it stops at the first that fails.

    Raises:
        BundleRefused: it is not even fit to be asked: the file is named.
    """
    bare = {path: text for path, text in bundle.files.items() if not path.endswith(CASES)}
    engine = RegorusEngine(Bundle(bare))
    probe(engine.decide)
    asked = sum(1 for _ in questions(bundle))
    return Report(engine, asked, tuple(failures(engine.decide, bundle)))
