"""Postal addresses, by how streets are called in German and English: a guess, to be asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["addresses"]

_GERMAN = re.compile(
    r"(?<![\w-])[A-ZÄÖÜ][\w-]{0,40}?(?:straße|strasse|str\.|weg|platz|allee|gasse|damm|ufer)"
    r"[ ]{1,2}\d{1,4}(?:[ ]?[a-z](?!\w))?(?:,?[\s]{1,3}\d{5}[ ]{1,2}[A-ZÄÖÜ][\w-]{1,40})?"
)
_ENGLISH = re.compile(
    r"(?<![\w.,-])\d{1,5}[A-Za-z]?[ ]{1,2}(?:[A-Z][\w'-]{0,30}\.?[ ]{1,2}){1,4}?"
    r"(?:Street|St\.|Avenue|Ave\.|Road|Rd\.|Lane|Ln\.|Drive|Dr\.|Boulevard|Blvd\.|Court|Square"
    r"|Terrace|Crescent)(?!\w)"
    r"(?:,[\s]{0,2}[A-Z][\w' -]{1,40}?(?:,?[ ]{1,2}[A-Z]{2}[ ]{1,2}\d{5}(?:-\d{4})?"
    r"|,?[ ]{1,2}[A-Z]{1,2}\d[A-Z\d]?[ ]\d[A-Z]{2}))?"
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Places of what looks like street and number, with town where it follows."""
    for expression in (_GERMAN, _ENGLISH):
        for match in expression.finditer(text):
            yield match.span()
