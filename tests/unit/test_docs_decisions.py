"""Decision records: numbered without gaps, listed, and each with the same headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.handbook import ROOT

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))


def test_records_are_numbered_without_gaps() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_headings_and_fits_a_page(record: Path) -> None:
    text = record.read_text("utf-8")
    assert text.startswith(f"# {int(record.name[:4])}. ")
    assert re.search(r"^Status: (accepted|superseded by \[\d+\])", text, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[:3] == ["Context", "Decision", "Consequences"]
    assert set(headings[3:]) <= {"Measured"}
    assert len(text.splitlines()) <= 75


def test_the_index_lists_every_record_by_its_title() -> None:
    index = (FOLDER / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \|", index, re.MULTILINE)
    assert [(int(number), name) for number, name in listed] == [
        (int(record.name[:4]), record.name) for record in RECORDS
    ]
