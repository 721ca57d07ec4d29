"""Finds personal data in text: email, phone, card, IBAN, and addresses where that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from smartops.redact.addresses import addresses
from smartops.redact.classes import PLACEHOLDER
from smartops.redact.errors import Unscannable
from smartops.redact.numbers import cards, ibans, is_card
from smartops.redact.phones import known_region, phones

__all__ = ["Finder", "PersonalHit"]

_LOCAL = re.compile(r"[\w.%+'-]{1,64}$")
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}(?:xn--[\w-]{2,40}|[^\W\d_]{2,24})(?![\w-]|\.\w)")

# fmt: off
_UNITS = frozenset((
    "automount", "device", "mount", "path", "scope", "service", "slice", "socket", "swap", "target",
    "timer",
))
# fmt: on
"""`getty@tty1.service` is a unit of systemd."""

_DIGITS = re.compile(r"\d[\d ().+/-]{4}")
"""No number of any kind is shorter."""

_WORTH_A_LOOK = re.compile(r"@|\d[\d ().+/-]{4}|[A-Z]{2}[0-9]{2}")
"""Without one of these there is nothing but an address: most texts are done after this look."""

_IBAN_START = re.compile(r"[A-Z]{2}[0-9]{2}")

_SMALLEST_CARD = 10**12


class PersonalHit(NamedTuple):
    """One value in a text."""

    start: int
    end: int
    kind: str


class Finder:
    """Looks for personal data; no state, thread-safe, linear in the text.

    Args:
        region: whose national phone numbers are found, such as `DE`; None finds only those with
            their country.
        with_addresses: whether postal addresses are guessed at, too.

    Raises:
        ValueError: there is no such region.
    """

    def __init__(self, *, region: str | None = None, with_addresses: bool = False) -> None:
        if region is not None and not known_region(region):
            raise ValueError(f"no phone numbers are known of region {region!r}; write DE, US, ...")
        self._region = region
        self._with_addresses = with_addresses

    def hits(self, text: str) -> tuple[PersonalHit, ...]:
        """What is found, in order and apart; of overlapping finds the first and longest.

        What stands for a value already is no text to look into.

        Raises:
            Unscannable: an error of our own, that must not let anything through.
        """
        try:
            return self._hits(text)
        except Exception as error:  # noqa: BLE001 - its text may hold what was searched.
            raise Unscannable(f"an internal {type(error).__name__}") from None

    def _hits(self, text: str) -> tuple[PersonalHit, ...]:
        if not self._with_addresses and _WORTH_A_LOOK.search(text) is None:
            return ()
        if "[" not in text:
            return self._apart(text, 0)
        found: list[PersonalHit] = []
        done = 0
        for match in PLACEHOLDER.finditer(text):
            found += self._apart(text[done : match.start()], done)
            done = match.end()
        return (*found, *self._apart(text[done:], done))

    @staticmethod
    def is_card_number(value: int) -> bool:
        """Whether a JSON number is a card's."""
        return value >= _SMALLEST_CARD and is_card(str(value))

    def _apart(self, text: str, offset: int) -> tuple[PersonalHit, ...]:
        kept: list[PersonalHit] = []
        for hit in sorted(self._all(text), key=lambda hit: (hit.start, -hit.end)):
            if not kept or hit.start >= kept[-1].end:
                kept.append(hit)
            elif hit.end > kept[-1].end:
                # The later one reaches further: its tail is as personal as its head.
                kept[-1] = kept[-1]._replace(end=hit.end)
        return tuple(PersonalHit(h.start + offset, h.end + offset, h.kind) for h in kept)

    def _all(self, text: str) -> Iterator[PersonalHit]:
        if "@" in text:
            yield from (PersonalHit(*span, "email") for span in _emails(text))
        if _DIGITS.search(text) is not None:
            yield from (PersonalHit(*span, "card") for span in cards(text))
            yield from (PersonalHit(*span, "phone") for span in phones(text, self._region))
        if _IBAN_START.search(text) is not None:
            yield from (PersonalHit(*span, "iban") for span in ibans(text))
        if self._with_addresses:
            yield from (PersonalHit(*span, "address") for span in addresses(text))


def _emails(text: str) -> Iterator[tuple[int, int]]:
    """From each `@` outwards, so that no run of letters is walked more than once per `@`."""
    at = text.find("@")
    while at >= 0:
        before = _LOCAL.search(text[max(0, at - 64) : at])
        after = _DOMAIN.match(text, at + 1)
        if before is not None and after is not None:
            local = before[0].lstrip(".'-%+")
            shell = after[0].rsplit(".", 1)[-1].lower() in _UNITS
            # `git@github.com:team/repo`: a place to log in.
            place = re.match(r":[\w~/.-]", text[after.end() : after.end() + 2]) is not None
            if local and not shell and not place:
                yield at - len(local), after.end()
        at = text.find("@", at + 1)
