"""Card and account numbers: digits that prove themselves by their checks."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["cards", "ibans", "is_card", "is_iban"]

_CARD = re.compile(
    r"(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w.]|[ -]\d)|(?<![\w.+-])\d(?:[ -]?\d){12,18}(?=\.(?!\d))"
)

_ISSUERS = (
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"6011|64[4-9]|65"), (16, 19)),  # Discover
    (re.compile(r"36|38|30[0-5]"), (14,)),  # Diners Club
    (re.compile(r"35(?:2[89]|[3-8]\d)"), (16,)),  # JCB
    (re.compile(r"62"), (16, 17, 18, 19)),  # UnionPay
)
"""First digits and lengths that were ever issued: what keeps counters and times in nanoseconds out,
a tenth of which pass the check digit."""

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")

_LENGTHS = {
    country: int(length)
    for length, countries in (
        ("15", "NO"), ("16", "BE"), ("18", "DK FI FK FO GL NL SD"), ("19", "MK SI"),
        ("20", "AT BA EE KZ LT LU MN XK"), ("21", "CH HR LI LV"),
        ("22", "BG BH CR DE GB GE IE ME RS VA"), ("23", "AE GI IL IQ OM SO TL"),
        ("24", "AD CZ ES MD PK RO SA SE SK TN VG"), ("25", "LY PT ST"), ("26", "IS TR"),
        ("27", "BI DJ FR GR IT MC MR SM"), ("28", "AL AZ BY CY DO GT HU LB NI PL SV"),
        ("29", "BR EG PS QA UA"), ("30", "JO KW MU YE"), ("31", "MT SC"), ("32", "LC"),
        ("33", "RU"),
    )
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN, by country: SWIFT's registry."""


def is_card(digits: str) -> bool:
    """Whether digits without separators are a number that some issuer could have given."""
    known = any(start.match(digits) and len(digits) in lengths for start, lengths in _ISSUERS)
    if not known or len(set(digits)) == 1:
        return False
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    total = sum(map(int, digits[-1::-2])) + sum(two - 9 if two > 9 else two for two in doubled)  # noqa: PLR2004
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether text without spaces is an IBAN: its country's length, and rest 1 of 97."""
    if _LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Places of card numbers in a text."""
    for match in _CARD.finditer(text):
        if is_card(match[0].replace(" ", "").replace("-", "")):
            yield match.span()


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Places of IBANs in a text; a word in capitals that follows one is not taken for its end."""
    for match in _IBAN.finditer(text):
        length = _end(match[0], _LENGTHS.get(match[0][:2], 0))
        end = match.start() + length
        if is_iban(match[0][:length].replace(" ", "")) and not text[end : end + 1].isalnum():
            yield match.start(), end


def _end(text: str, length: int) -> int:
    """Where so many characters end, spaces not counted."""
    seen = place = 0
    while seen < length and place < len(text):
        seen += text[place] != " "
        place += 1
    return place
