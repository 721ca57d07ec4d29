"""Is imported first in the environment of a copied tree: nothing of another tree may be.

Each process that starts there refuses every `smartops` module that comes from elsewhere, and notes
the first of its own, and each edited one, in a ledger. Uses nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[4]  # From <tree>/.venv/lib/python3.x/site-packages.
LEDGER = ROOT / "imports.jsonl"
EDITED = ROOT / "edited.json"


class OnlyThisTree:
    """A finder ahead of all others."""

    def __init__(self) -> None:
        files = json.loads(EDITED.read_text(encoding="utf-8")) if EDITED.exists() else []
        self._edited = {str(ROOT / file) for file in files}
        self._known = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what the usual finder would find, and refuse it when it is not of this tree."""
        if not name.startswith("smartops."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None:
            return spec
        if not Path(spec.origin).is_relative_to(ROOT):
            raise ImportError(f"{name} comes from {spec.origin}, not from {ROOT}")
        if not self._known or spec.origin in self._edited:
            self._known = True
            self._note(name, spec.origin)
        return spec

    def _note(self, name: str, origin: str) -> None:
        file = str(Path(origin).relative_to(ROOT))
        line = {"pid": os.getpid(), "argv": sys.orig_argv[1:4], "module": name, "file": file}
        # One write to a file opened for appending: lines of many processes do not mix.
        with LEDGER.open("a", encoding="utf-8") as ledger:
            ledger.write(json.dumps(line) + "\n")


sys.meta_path.insert(0, OnlyThisTree())
