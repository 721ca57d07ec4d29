"""One way to run every experiment.

    benchmarks/run.py bench|prove            lists them
    benchmarks/run.py bench|prove NAME ...   runs one; `--help` behind the name shows its options

Progress goes to standard error. The last line on standard output is one JSON object with the
figures. Exit status: 0 kept, 1 a promise or a bar was broken, 2 wrong usage, 3 void (the experiment
did not meet its own conditions, so it shows nothing). Where a signal ended it, 128 and the signal's
number (130 Ctrl-C, 143 SIGTERM): its processes are stopped, and it says how far it came.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.lib.experiment import Experiment, Outcome, elapsed_s, reached
from benchmarks.lib.interrupting import Interrupted, until_signalled
from benchmarks.registry import EXPERIMENTS

BROKEN, USAGE, VOID = 1, 2, 3


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; returns the exit status."""
    kinds = argparse.ArgumentParser(prog="benchmarks/run.py", add_help=False)
    kinds.add_argument("kind", choices=sorted(EXPERIMENTS))
    kinds.add_argument("name", nargs="?")
    chosen, rest = kinds.parse_known_args(arguments)
    known = EXPERIMENTS[chosen.kind]
    if chosen.name is None:
        _list(known)
        return 0
    if chosen.name not in known:
        print(f"there is no {chosen.kind} {chosen.name!r}; there are:", file=sys.stderr)
        _list(known)
        return USAGE
    experiment = known[chosen.name]
    parser = argparse.ArgumentParser(
        prog=f"benchmarks/run.py {chosen.kind} {chosen.name}", description=experiment.summary
    )
    experiment.options(parser)
    options = parser.parse_args(rest)
    try:
        outcome = uvloop.run(until_signalled(experiment.run(options)))
    except Interrupted as interrupted:
        print(_interrupted(experiment, interrupted), file=sys.stderr)
        return interrupted.status
    return _tell(chosen.kind, experiment, outcome)


def _interrupted(experiment: Experiment, interrupted: Interrupted) -> str:
    last = reached()
    where = "at its very beginning" if last is None else f"it had come to: {last}"
    said = f"{experiment.name} was {interrupted} after {elapsed_s():.1f} s; {where}"
    if interrupted.on_the_way:
        said += f". On its way out: {interrupted.on_the_way}"
    return f"{said}. Its processes are stopped; it has shown nothing."


def _list(known: dict[str, Experiment]) -> None:
    for name, experiment in known.items():
        print(f"  {name:<18} {experiment.summary}")


def _tell(kind: str, experiment: Experiment, outcome: Outcome) -> int:
    for violation in outcome.violations:
        print(f"BROKEN: {violation}", file=sys.stderr)
    if outcome.void is not None:
        print(f"VOID: {outcome.void}", file=sys.stderr)
    line = {
        kind: experiment.name,
        "kept": not outcome.violations and outcome.void is None,
        "void": outcome.void,
        **outcome.figures,
        "violation_count": len(outcome.violations),
        "violations": list(outcome.violations),
    }
    print(json.dumps(line), flush=True)
    if outcome.violations:
        return BROKEN
    return VOID if outcome.void is not None else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
