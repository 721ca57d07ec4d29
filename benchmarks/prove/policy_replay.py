"""History is test data: every recorded decision is made again, by the command that people use.

The real services make a history of plans, gates, votes and calls. `smartops policy replay` then
decides all of it again: by the very bundle in force, where nothing may differ; and by copies in
which one thing is changed, where exactly those decisions must differ that a few lines of Python
pick out of the stored inputs by what the change means.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from smartops.devstack.stack import StackOptions, running_stack
from smartops.sdk import Profile
from smartops.sdk.reader import Reader

from benchmarks.lib.edited_policies import EDITS, copy_of
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine
from benchmarks.lib.policy_history import PEOPLE, make_history

__all__ = ["POLICY_REPLAY", "Plan", "policy_replay"]

SAME, DIFFERENT = 0, 3
"""Exit codes of the command."""

_ENTRYPOINTS = {"plan", "gate", "approval", "tool_call"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is replayed.

    Attributes:
        seed: of the sizes of tasks and plans.
        decisions: recorded, at least.
        servers: of the fleet that plans are about.
    """

    seed: int = 1
    decisions: int = 10_000
    servers: int = 40


async def policy_replay(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    options = StackOptions(
        servers=plan.servers,
        persons=PEOPLE,
        canary_window=timedelta(seconds=1),
        wave_window=timedelta(seconds=0.5),
    )
    broken: list[str] = []
    async with running_stack(home, options, handle_signals=False) as stack:
        tasks = await make_history(stack, plan.decisions, plan.seed)
        async with Reader(Profile.load(home)) as reader:
            [active] = [row for row in await reader.bundles() if row["active"]]
            rows = [row async for page in reader.decisions() for row in page]
        code, same = await _replay(home, active["digest"])
        if (code, same["differences"], same["other_rules"]) != (SAME, 0, 0):
            broken.append(f"the same bundle decides {same['differences']} otherwise (exit {code})")
        if same["recomputed"] < plan.decisions or same["not_recomputable"]:
            broken.append(f"only {same['recomputed']} of {same['decisions']} were made again")
        files = json.loads(bytes(active["document"]))
        edited = {}
        for number, edit in enumerate(EDITS):
            folder = copy_of(files, home / f"policies-{number}")
            edit.apply(folder)
            wanted = [
                (row["position"], change)
                for row in rows
                if (
                    change := edit.expected(
                        row["entrypoint"], json.loads(row["input"]), row["allow"]
                    )
                )
            ]
            code, found = await _replay(home, str(folder))
            told = [(one["position"], one["change"]) for one in found["first"]]
            progress(f"{edit.name}: {found['changes']}, expected {len(wanted)}")
            edited[edit.name] = {"expected": len(wanted), "found": found["differences"]}
            if found["changes"] != dict(Counter(change for _, change in wanted)):
                broken.append(f"{edit.name}: {found['changes']}, expected {len(wanted)}")
            if told != wanted[: len(told)] or code != (DIFFERENT if wanted else SAME):
                broken.append(f"{edit.name}: other decisions than those expected (exit {code})")
    figures = {
        "n": same["recomputed"],
        "seed": plan.seed,
        "tasks": tasks,
        "by_entrypoint": same["by_entrypoint"],
        "differences_same_bundle": same["differences"],
        "edits": edited,
        "machine": machine(),
    }
    missing = _ENTRYPOINTS - set(same["by_entrypoint"])
    idle = [name for name, seen in edited.items() if not seen["expected"]]
    void = None
    if missing or idle:
        void = f"this history has no {', '.join([*missing, *idle])}: it could not have failed"
    return Outcome(figures, tuple(broken), void)


async def _replay(home: Path, bundle: str) -> tuple[int, dict[str, Any]]:
    """What the command says: its exit code and its document."""
    words = ("--home", str(home), "--json", "policy", "replay", "--bundle", bundle)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smartops.sdk.cli", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return process.returncode or 0, json.loads(out)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--decisions", type=int, default=standard.decisions)
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _run(options: Namespace) -> Outcome:
    plan = Plan(seed=options.seed, decisions=options.decisions)
    with scratch_home(options.home) as home:
        return await policy_replay(home, plan)


POLICY_REPLAY = Experiment(
    "policy-replay",
    "stored decisions made again: the same by the same bundle, exactly the expected by another",
    _options,
    _run,
)
