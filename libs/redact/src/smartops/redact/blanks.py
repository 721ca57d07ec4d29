"""Text that nobody will ever need the values of: secrets and personal data blanked for good."""

from __future__ import annotations

from smartops.redact.errors import Unscannable
from smartops.redact.personal import Finder
from smartops.redact.redactor import Redactor
from smartops.redact.text import placeholder

__all__ = ["blanked"]

_PASSES = 8
"""As in `Pseudonyms`."""

_SECRETS = Redactor()
_PERSONAL = Finder()


def blanked(text: str, finder: Finder = _PERSONAL) -> str:
    """The text with `[secret:...]`, `[email]` and the like. Blanking it again changes nothing."""
    text = _SECRETS.redact(text)
    try:
        for _ in range(_PASSES):
            hits = finder.hits(text)
            if not hits:
                break
            for hit in reversed(hits):
                text = f"{text[: hit.start]}[{hit.kind}]{text[hit.end :]}"
    except Unscannable as error:
        return placeholder(error.code)
    return text
