"""Running a proof in a tree, and judging what it says of a mutant."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from smartops.devstack.process import ServiceProcess

from benchmarks.lib.experiment import progress
from benchmarks.lib.guards.mutant import Edit, Mutant, Trial
from benchmarks.lib.guards.tree import Imported, Tree, make_tree

__all__ = ["PATIENCE_S", "Trying", "judge_baseline", "judge_mutant", "try_in"]

PATIENCE_S = 240.0
"""For one proof; later it is killed, and has shown nothing."""

_LAST_WORDS = timedelta(seconds=20)
_TOLD = 300


@dataclass(frozen=True, slots=True)
class Trying:
    """One run of a proof.

    Attributes:
        exit: its exit status; None: it was killed for lateness.
        said: its JSON line; empty when it said none.
        seconds: that it took.
        imported: what its processes told of what they imported.
        stderr: the end of what it said besides.
    """

    exit: int | None
    said: dict[str, Any]
    seconds: float
    imported: Imported
    stderr: str

    @property
    def violations(self) -> list[str]:
        """What it found broken."""
        return [str(one) for one in self.said.get("violations", ())]

    def figures(self) -> dict[str, object]:
        """For the JSON line."""
        violations = self.violations
        return {
            "exit": self.exit,
            "seed": self.said.get("seed"),
            "violations": len(violations),
            "first_violation": violations[0][:_TOLD] if violations else None,
            "seconds": round(self.seconds, 1),
            "processes": self.imported.processes,
        }


async def try_in(sources: Path, where: Path, trial: Trial, edits: tuple[Edit, ...] = ()) -> Trying:
    """Run a proof in a fresh tree, and remove the tree.

    Raises:
        Rotten: an edit does not fit.
    """
    tree = make_tree(sources, where, edits)
    try:
        return await _run(tree, trial)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def judge_baseline(trying: Trying) -> str | None:
    """Why the proof says nothing about mutants: it does not even hold without; None: it does."""
    if trying.exit == 0 and trying.imported.processes:
        return None
    return f"without any mutant: {_ending(trying)}"


def judge_mutant(mutant: Mutant, trying: Trying) -> str | None:
    """Why the mutant counts as not noticed; None: the proof is broken by it, as it should."""
    unseen = _unseen(mutant, trying)
    if unseen:
        return f"the edited {', '.join(sorted(unseen))} was never imported"
    if trying.exit == 1 and trying.violations:
        return None
    return _ending(trying)


def _unseen(mutant: Mutant, trying: Trying) -> set[str]:
    modules = {edit.file for edit in mutant.edits if edit.file.endswith(".py")}
    # An SQL file is read by the package beside it, which cannot come from elsewhere.
    return modules - trying.imported.edited


def _ending(trying: Trying) -> str:
    if trying.exit is None:
        return f"it did not end within {PATIENCE_S:g} s"
    if not trying.said:
        return f"it crashed with {trying.exit}: {trying.stderr[-_TOLD:]}"
    if trying.exit == 0:
        return "all promises were kept"
    why = trying.said.get("void") or "; ".join(trying.violations)[:_TOLD]
    return f"it ended with {trying.exit}: {why}"


async def _run(tree: Tree, trial: Trial) -> Trying:
    began = time.monotonic()
    log = tree.root / "said.log"
    process = ServiceProcess(
        str(trial),
        [tree.python, "benchmarks/run.py", "prove", trial.proof, *trial.options],
        env=tree.environment(),
        log_path=log,
        cwd=tree.root,
        stop_signal=signal.SIGINT,
    )
    code: int | None = None
    await process.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            code = await process.wait()
    except TimeoutError:
        progress(f"{trial} did not end in time")
    finally:
        await process.terminate(_LAST_WORDS)
    text = await asyncio.to_thread(log.read_text, "utf-8", "replace")
    *rest, last = text.strip().splitlines() or [""]
    return Trying(
        exit=code,
        said=_line(last),
        seconds=time.monotonic() - began,
        imported=tree.imported(),
        stderr="\n".join([*rest, last][-20:]),
    )


def _line(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
