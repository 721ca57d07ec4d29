"""Local people: the two that come with an installation, and whom its owner has written in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartops.contracts.catalogue import SERVICES
from smartops.devstack.errors import PeopleError
from smartops.devstack.stack_options import PERSONS

__all__ = ["local_people"]

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""What a credential may be called: it names a file and a user of the bus."""
_UNFIT = "names no credential: small letters, digits, - and _, from a letter on, 32 at most"
_TAKEN = frozenset({*SERVICES, "provisioner", "monitor"})


def local_people(home: Path, tenant: str) -> dict[str, tuple[str, ...]]:
    """Whose credentials an installation makes: each with the roles of its actor.

    Args:
        home: where `actors.json` lies; before the first start there is none.
        tenant: whose people.

    Raises:
        PeopleError: that file is not a mapping, or a credential cannot be called so.
    """
    people = dict(PERSONS)
    path = home / "actors.json"
    if not path.exists():
        return people
    try:
        for entry in json.loads(path.read_text(encoding="utf-8")):
            if entry["tenant"] == tenant:
                people.update(dict.fromkeys(_local(entry), tuple(entry.get("roles", ()))))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise PeopleError(str(path), f"it is no list of actors: {error!r}") from error
    for name in people:
        if name in _TAKEN or not _NAME.fullmatch(name):
            reason = "belongs to a service" if name in _TAKEN else _UNFIT
            raise PeopleError(str(path), f"the subject {name!r} {reason}")
    return people


def _local(entry: Mapping[str, Any]) -> list[str]:
    """The names that an actor goes by on this machine."""
    return [str(one["subject"]) for one in entry.get("principals", ()) if one["issuer"] == "local"]
