"""What pages show of a terminal is made of words that the command line still says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from smartops.sdk.cli import narration, sentences
from smartops.sdk.cli.lines import Mark
from smartops.sdk.cli.progress import _STYLES
from support.handbook import ROOT, blocks, pages

_SHOWN = re.compile(r"^\d\d:\d\d:\d\d (\S) (\S+(?: \S+)?)(?:  |$)", re.MULTILINE)
_SAID = re.compile(r'Mark\.([A-Z]+), "([a-z ]+)"')
# Where a word is chosen while running.
_CHOSEN = {("✗", "unhealthy"), ("!", "inconclusive")}


def said() -> set[tuple[str, str]]:
    """Each sign with each word that it is said with."""
    source = "".join(
        Path(str(module.__file__)).read_text("utf-8") for module in (narration, sentences)
    )
    return {(_STYLES[Mark[mark]][0], word) for mark, word in _SAID.findall(source)} | _CHOSEN


def shown() -> list[tuple[str, str, str]]:
    return [
        (str(page.relative_to(ROOT)), sign, word)
        for page in pages()
        for block in blocks(page, "text")
        for sign, word in _SHOWN.findall(block.text)
    ]


def test_some_pages_show_what_is_told() -> None:
    assert {"README.md", "docs/tutorial/first-intent.md"} <= {page for page, _, _ in shown()}
    assert len(shown()) > 15


@pytest.mark.parametrize("line", sorted(set(shown())), ids=" ".join)
def test_a_line_of_a_page_is_one_that_is_told(line: tuple[str, str, str]) -> None:
    assert line[1:] in said()
