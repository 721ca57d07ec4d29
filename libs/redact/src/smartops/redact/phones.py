"""Phone numbers: found by a cheap look, judged by the numbering plans of `phonenumbers`.

That library is loaded with the first text that could hold a number: most processes never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

__all__ = ["known_region", "phones"]

_INTERNATIONAL = re.compile(r"(?<![\w+])\+[\s(]{0,2}\d(?:[\s().\-/]{0,3}\d){6,16}(?!\w)")
_NATIONAL = re.compile(r"(?<![\w.,:+#$€£/-])[(]?\d(?:[ ().\-/]{0,3}\d){5,16}(?![\w:%]|[.,/-]\d)")
"""Without a country: neither part of a word, date, address, price or version, nor a time."""

_DATE = re.compile(
    r"(?:19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d|[0-3]?\d[-/.][01]?\d[-/.](?:19|20)?\d\d"
)


def phones(text: str, region: str | None) -> Iterator[tuple[int, int]]:
    """Places of phone numbers in a text.

    Args:
        text: where to look.
        region: whose national numbers count, too: `DE`, `US`. None: only those that begin with
            `+` and a country.
    """
    if "+" in text:
        for match in _INTERNATIONAL.finditer(text):
            if _valid(match[0], None):
                yield match.span()
    if region is None:
        return
    for match in _NATIONAL.finditer(text):
        if _DATE.match(match[0]) is None and _formatted(match[0], region):
            yield match.span()


def known_region(region: str) -> bool:
    """Whether there is a numbering plan of this region."""
    return region in _library().SUPPORTED_REGIONS


@cache
def _library() -> Any:
    import phonenumbers  # noqa: PLC0415 - 40 ms and 23 MB, for those who meet a number.

    return phonenumbers


def _valid(text: str, region: str | None) -> bool:
    library = _library()
    try:
        return bool(library.is_valid_number(library.parse(text, region)))
    except library.NumberParseException:
        return False


def _formatted(text: str, region: str) -> bool:
    """Whether it is written as numbers are there: with the prefix that a national number needs.

    Ten digits alone are as often a time or an id.
    """
    library = _library()
    matcher = library.PhoneNumberMatcher(text, region, library.Leniency.VALID, 4)
    return any(match.start == 0 and match.end == len(text) for match in matcher)
