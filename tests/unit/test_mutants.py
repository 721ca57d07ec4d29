"""The edits that switch guards off fit the sources as they are now."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.lib.guards.catalogue import MUTANTS
from benchmarks.lib.guards.mutant import Edit, Mutant, Rotten, apply
from benchmarks.lib.guards.tree import ROOT
from benchmarks.registry import EXPERIMENTS


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_each_edit_fits_just_once_and_leaves_what_can_be_read(mutant: Mutant) -> None:
    for edit in mutant.edits:
        source = (ROOT / edit.file).read_text("utf-8")
        assert source.count(edit.before) == 1, f"write {mutant.name} anew: {edit.before!r}"
        assert edit.before != edit.after
        if edit.file.endswith(".py"):
            compile(source.replace(edit.before, edit.after), edit.file, "exec")


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_each_mutant_names_a_proof_and_options_that_it_has(mutant: Mutant) -> None:
    parser = ArgumentParser()
    EXPERIMENTS["prove"][mutant.trial.proof].options(parser)
    parser.parse_args(mutant.trial.options)


@pytest.mark.parametrize("times", [0, 2])
def test_an_edit_that_fits_otherwise_than_once_is_refused(tmp_path: Path, times: int) -> None:
    (tmp_path / "file.py").write_text("guard()\n" * times)
    with pytest.raises(Rotten, match=f"has {times} times"):
        apply((Edit("file.py", "guard()", "pass"),), tmp_path)
