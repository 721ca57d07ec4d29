"""Options that could never work are refused before anything is started."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest
from smartops.contracts.catalogue import AUDIT, SERVICES

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from benchmarks.bench.ops_task import OPS_TASK


@pytest.mark.parametrize("service", [name for name in SERVICES if name != AUDIT])
def test_an_ops_task_is_not_measured_without_a_service_that_it_needs(service: str) -> None:
    parser = ArgumentParser()
    OPS_TASK.options(parser)
    with pytest.raises(SystemExit) as refused:
        parser.parse_args(["--without", service])
    assert refused.value.code == 2


def test_an_ops_task_needs_no_audit() -> None:
    parser = ArgumentParser()
    OPS_TASK.options(parser)
    assert parser.parse_args(["--without", AUDIT]).without == [AUDIT]
