"""Would the proofs notice? Each guard is switched off in a copy, and a proof must be broken by it.

A mutant is an exact, small edit of a copy of the sources; the proof runs in the copy, whose modules
are the only ones that any of its processes can import. The same proof, with the same seed, must be
kept by a copy that was not edited. A mutant that a proof lives with is a proof that shows nothing.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.guards.catalogue import MUTANTS
from benchmarks.lib.guards.mutant import Mutant, Trial
from benchmarks.lib.guards.tree import copy_sources
from benchmarks.lib.guards.trying import Trying, judge_baseline, judge_mutant, try_in
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine

__all__ = ["GUARDS", "guards"]


async def guards(home: Path, mutants: Sequence[Mutant]) -> Outcome:
    """Try these mutants, each with its proof, in copies below a directory."""
    sources = copy_sources(home / "sources")
    figures: dict[str, object] = {"n": len(mutants), "machine": machine()}
    baselines: dict[Trial, Trying] = {}
    results: dict[str, dict[str, object]] = {}
    survivors: list[str] = []
    groundless: list[str] = []
    for mutant in mutants:
        trial = mutant.trial
        if trial not in baselines:
            baselines[trial] = await try_in(sources, home / "baseline", trial)
            why = judge_baseline(baselines[trial])
            progress(f"{trial}: {why or 'kept'}, {baselines[trial].seconds:.1f} s")
            if why is not None:
                groundless.append(f"{trial}: {why}")
        if judge_baseline(baselines[trial]) is not None:
            continue
        trying = await try_in(sources, home / "mutant", trial, mutant.edits)
        alive = judge_mutant(mutant, trying)
        results[mutant.name] = {
            "guard": mutant.guard,
            "proof": str(trial),
            "noticed": alive is None,
            **trying.figures(),
        }
        if alive is not None:
            survivors.append(f"{mutant.name} ({mutant.guard}) was not noticed by {trial}: {alive}")
        told = alive or trying.violations[0][:100]
        progress(f"{mutant.name}: {'ALIVE' if alive else 'noticed'}, {told}")
    figures |= {
        "noticed": sum(bool(result["noticed"]) for result in results.values()),
        "baselines": {str(trial): trying.figures() for trial, trying in baselines.items()},
        "mutants": results,
    }
    return Outcome(figures, tuple(survivors), "; ".join(groundless) or None)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--mutant", action="append", default=[], choices=sorted(MUTANTS), help="only these"
    )
    parser.add_argument("--list", action="store_true", help="say which there are, and run none")
    parser.add_argument("--home", type=Path, help="work there; must be new")


async def _main(options: Namespace) -> Outcome:
    chosen = [MUTANTS[name] for name in options.mutant] or list(MUTANTS.values())
    if options.list:
        told = {
            mutant.name: {
                "guard": mutant.guard,
                "files": sorted({edit.file for edit in mutant.edits}),
                "proof": str(mutant.trial),
                "why": mutant.why,
            }
            for mutant in chosen
        }
        return Outcome({"n": len(told), "mutants": told})
    # Trials one after the other, so that each baseline is made once, next to its mutants.
    chosen.sort(key=lambda mutant: str(mutant.trial))
    with scratch_home(options.home) as home:
        return await guards(home, chosen)


GUARDS = Experiment(
    "guards",
    "each guard is switched off in a copy of the sources; a proof must be broken by it",
    _options,
    _main,
)
