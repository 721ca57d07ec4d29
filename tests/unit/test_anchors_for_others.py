"""Anchor files as others read them: what audit wrote, without audit's code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.anchors import files_of
from smartops.audit.read_models.tenants import TenantRow
from smartops.sdk.anchors import read_anchors
from smartops.sdk.errors import Unverified


def anchor(log: AnchorLog, position: int) -> None:
    seen = datetime(2026, 8, 7, tzinfo=UTC)
    log.append([TenantRow("acme", seen, position // 2, position, position.to_bytes(32, "big"))])


def test_a_rewind_voids_what_was_anchored_beyond_it_before_and_nothing_else(tmp_path: Path) -> None:
    log = AnchorLog(tmp_path)
    log.open()
    for position in (10, 20, 30):
        anchor(log, position)
    log.rewind(20, 30, "olga")
    anchor(log, 25)
    anchor(log, 40)
    assert sorted(read_anchors(tmp_path, "acme")) == [10, 20, 25, 40]


def test_a_rewind_that_was_changed_breaks_the_chain_of_lines(tmp_path: Path) -> None:
    log = AnchorLog(tmp_path)
    log.open()
    anchor(log, 10)
    log.rewind(5, 10, "olga")
    anchor(log, 7)
    [file] = files_of(tmp_path)
    file.write_bytes(file.read_bytes().replace(b'"rewound_to":5', b'"rewound_to":9'))
    with pytest.raises(Unverified, match="does not link"):
        read_anchors(tmp_path, "acme")
