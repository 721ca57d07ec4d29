"""Anchor files: one chain of lines, whatever happens to the process."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.anchors import FIRST, files_of, read_anchors, read_rewinds
from smartops.audit.errors import AnchorsDamaged
from smartops.audit.read_models.tenants import TenantRow

_SEEN = datetime(2026, 8, 7, tzinfo=UTC)


def end(tenant: str, position: int) -> TenantRow:
    return TenantRow(tenant, _SEEN, position // 2, position, position.to_bytes(32, "big"))


def opened(directory: Path) -> AnchorLog:
    log = AnchorLog(directory)
    log.open()
    return log


def test_each_line_names_the_one_before_it(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append([end("globex", 20), end("acme", 10)])
    log.append([end("acme", 30)])
    anchors = list(read_anchors(tmp_path))
    assert [(a.tenant, a.position, a.count) for a in anchors] == [
        ("acme", 10, 5),
        ("globex", 20, 10),
        ("acme", 30, 15),
    ]
    assert anchors[0].previous == FIRST
    assert anchors[2].head == (30).to_bytes(32, "big").hex()
    (file,) = files_of(tmp_path)
    assert list(json.loads(file.read_text().splitlines()[0])) == [
        "tenant",
        "position",
        "count",
        "head",
        "at",
        "previous",
    ]


def test_only_heads_that_have_moved_are_written(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert len(log.append([end("acme", 10)])) == 1
    assert log.append([end("acme", 10)]) == ()
    assert opened(tmp_path).append([end("acme", 10)]) == ()


def test_the_chain_goes_on_in_the_next_process_and_the_next_file(tmp_path: Path) -> None:
    opened(tmp_path).append([end("acme", 10)])
    (file,) = files_of(tmp_path)
    older = file.rename(tmp_path / "anchors-2020-01-01.jsonl")
    opened(tmp_path).append([end("acme", 20)])
    assert len(files_of(tmp_path)) == 2
    assert [anchor.position for anchor in read_anchors(tmp_path)] == [10, 20]
    older.write_bytes(older.read_bytes().replace(b'"position":10', b'"position":11'))
    with pytest.raises(AnchorsDamaged, match="does not link to the line before it"):
        list(read_anchors(tmp_path))
    with pytest.raises(AnchorsDamaged):
        opened(tmp_path)


def test_a_clock_set_back_does_not_reorder_the_files(tmp_path: Path) -> None:
    opened(tmp_path).append([end("acme", 10)])
    (file,) = files_of(tmp_path)
    file.rename(tmp_path / "anchors-2999-01-01.jsonl")
    opened(tmp_path).append([end("acme", 20)])
    assert [file.name for file in files_of(tmp_path)] == ["anchors-2999-01-01.jsonl"]
    assert [anchor.position for anchor in read_anchors(tmp_path)] == [10, 20]


def test_a_line_torn_by_a_crash_is_no_anchor_and_harms_none(tmp_path: Path) -> None:
    opened(tmp_path).append([end("acme", 10)])
    (file,) = files_of(tmp_path)
    with file.open("ab") as handle:
        handle.write(b'{"tenant":"acme","posi')
    assert [anchor.position for anchor in read_anchors(tmp_path)] == [10]
    opened(tmp_path).append([end("acme", 20)])
    assert [anchor.position for anchor in read_anchors(tmp_path)] == [10, 20]


def test_a_line_that_is_no_anchor_is_damage(tmp_path: Path) -> None:
    opened(tmp_path).append([end("acme", 10)])
    (file,) = files_of(tmp_path)
    file.write_bytes(file.read_bytes() + b'{"tenant": "acme"}\n')
    with pytest.raises(AnchorsDamaged, match="line 2: is no anchor"):
        list(read_anchors(tmp_path))


def test_old_files_may_be_archived(tmp_path: Path) -> None:
    opened(tmp_path).append([end("acme", 10)])
    (file,) = files_of(tmp_path)
    older = file.rename(tmp_path / "anchors-2020-01-01.jsonl")
    opened(tmp_path).append([end("acme", 20)])
    older.unlink()
    assert [anchor.position for anchor in read_anchors(tmp_path)] == [20]


def test_nobody_but_us_may_read_them(tmp_path: Path) -> None:
    opened(tmp_path / "anchors").append([end("acme", 10)])
    (file,) = files_of(tmp_path / "anchors")
    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_rewind_voids_what_was_anchored_beyond_it_before_and_nothing_else(tmp_path: Path) -> None:
    log = AnchorLog(tmp_path)
    log.open()
    for position in (10, 20, 30):
        log.append([end("acme", position)])
    log.rewind(20, 30, "olga")
    log.append([end("acme", 25)])
    log.append([end("acme", 40)])
    assert [anchor.position for anchor in read_anchors(tmp_path)] == [10, 20, 25, 40]
    assert [(one.rewound_to, one.anchored_to, one.by) for one in read_rewinds(tmp_path)] == [
        (20, 30, "olga")
    ]
    again = AnchorLog(tmp_path)
    again.open()
    assert [anchor.position for anchor in again.latest] == [40]


def test_a_rewind_that_was_changed_breaks_the_chain_of_lines(tmp_path: Path) -> None:
    log = AnchorLog(tmp_path)
    log.open()
    log.append([end("acme", 10)])
    log.rewind(5, 10, "olga")
    log.append([end("acme", 7)])
    [file] = files_of(tmp_path)
    file.write_bytes(file.read_bytes().replace(b'"rewound_to":5', b'"rewound_to":9'))
    with pytest.raises(AnchorsDamaged, match="does not link"):
        list(read_anchors(tmp_path))
