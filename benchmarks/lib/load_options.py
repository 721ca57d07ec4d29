"""The command line of every proof that does something while tasks are in flight."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from benchmarks.lib.ordeal import Load

__all__ = ["add_load_options", "load_of"]


def add_load_options(parser: ArgumentParser, standard: Load) -> None:
    """Add what is common: the load, its seed, and where the data may stay."""
    parser.add_argument("--tasks", type=int, default=standard.tasks, help="in flight")
    parser.add_argument("--servers", type=int, default=standard.servers, help="in the fleet")
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--delay", type=int, default=standard.delay_ms, help="of a write, ms")
    parser.add_argument(
        "--lost-answers", type=int, default=standard.lost_answers, help="servers that lose one"
    )
    parser.add_argument(
        "--patience", type=float, default=standard.patience_s, help="until all is at rest, seconds"
    )
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


def load_of(options: Namespace, standard: Load) -> Load:
    """The load that was asked for."""
    return replace(
        standard,
        tasks=options.tasks,
        servers=options.servers,
        seed=options.seed,
        delay_ms=options.delay,
        lost_answers=options.lost_answers,
        patience_s=options.patience,
    )
