"""A copy of the sources with an environment of its own, in which the copy is what is imported.

Third-party packages come from our own environment; ours come from the copy, in every process that
is started there: the interpreter that children are started with is the copy's.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from benchmarks.lib.guards.mutant import Edit, apply

__all__ = ["ROOT", "Imported", "Tree", "copy_sources", "make_tree"]

ROOT = Path(__file__).resolve().parents[3]
"""Of the sources that this very process runs."""

_PARTS = ("benchmarks", "libs", "services", "infra", "tests/support")


class Imported(NamedTuple):
    """What the processes of a tree have told of themselves."""

    processes: int
    """That imported anything of ours."""
    programs: frozenset[str]
    """Modules that were run by name, as `python -m` does."""
    edited: frozenset[str]
    """Edited modules that somebody imported, by file."""


class Tree:
    """One copy."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.python = root / ".venv" / "bin" / "python"

    def imported(self) -> Imported:
        """Read the ledger that its processes keep."""
        ledger = self.root / "imports.jsonl"
        text = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        return Imported(
            processes=len({line["pid"] for line in lines}),
            programs=frozenset(line["argv"][1] for line in lines if line["argv"][:1] == ["-m"]),
            edited=frozenset(line["file"] for line in lines),
        )

    def environment(self) -> dict[str, str]:
        """For its processes: nothing of ours that would lead them elsewhere."""
        led = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP", "COVERAGE_PROCESS_START"}
        kept = {name: value for name, value in os.environ.items() if name not in led}
        data = self.root / "data"
        data.mkdir(exist_ok=True)
        return {**kept, "TMPDIR": str(data)}


def copy_sources(where: Path) -> Path:
    """Copy what proofs run, compiled, to a directory that does not exist yet."""
    for part in _PARTS:
        shutil.copytree(
            ROOT / part,
            where / part,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache"),
        )
    compileall.compile_dir(where, quiet=2)
    return where


def make_tree(sources: Path, where: Path, edits: tuple[Edit, ...] = ()) -> Tree:
    """Make a tree of copied sources, with an environment, and edit it.

    Raises:
        Rotten: an edit does not fit.
    """
    shutil.copytree(sources, where)
    apply(edits, where)
    for edit in edits:
        # A compiled file is taken for current by second and size: never trust one here.
        path = where / edit.file
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
    (where / "edited.json").write_text(json.dumps([edit.file for edit in edits]), encoding="utf-8")
    _environment(where)
    return Tree(where)


def _environment(root: Path) -> None:
    ours = Path(sysconfig.get_path("purelib"))
    binaries, packages = root / ".venv" / "bin", root / ".venv" / ours.relative_to(sys.prefix)
    binaries.mkdir(parents=True)
    packages.mkdir(parents=True)
    for program in Path(sysconfig.get_path("scripts")).iterdir():
        if not program.name.startswith("python"):
            (binaries / program.name).symlink_to(program)
    base = Path(sys.executable).resolve()
    (binaries / "python").symlink_to(base)
    (root / ".venv" / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    # Ahead of our own environment's packages; its .pth files, which lead to us, are not read. By
    # an import line, not as `sitecustomize`: some systems have one of their own, which comes first.
    lines = ["import only_this_tree", *map(str, _source_roots(root)), str(ours)]
    (packages / "tree.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Copied, never imported here: it would forbid us our own modules.
    shutil.copy(Path(__file__).with_name("only_this_tree.py"), packages)


def _source_roots(root: Path) -> Iterable[Path]:
    return sorted(path.parent for path in root.glob("*/*/src/smartops"))
