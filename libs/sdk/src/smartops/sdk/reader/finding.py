"""What the beginning of an id names."""

from __future__ import annotations

from uuid import UUID

from smartops.sdk.errors import Ambiguous, NotFound
from smartops.sdk.reader.database import Database
from smartops.sdk.short_id import uuid_range

__all__ = ["find"]


async def find(database: Database, text: str, sql: str, *, noun: str, listed_by: str) -> UUID:
    """The one id that `text` is, or begins.

    Args:
        database: where to look; not asked about a whole id.
        text: as it was typed.
        sql: gives some of the ids of tenant $1 from $2 to $3.
        noun: the column that holds them, and what people call it.
        listed_by: the command that lists them, for advice.

    Raises:
        NotFound: it names none, or is too short.
        Ambiguous: it names several.
    """
    try:
        first, last = uuid_range(text)
    except ValueError as error:
        raise NotFound(str(error).replace("task id", f"{noun} id")) from error
    if first == last:
        return first
    found: list[UUID] = [
        row[noun] for row in await database.rows(sql, database.tenant, first, last)
    ]
    if not found:
        raise NotFound(f"no {noun} begins with {text!r}. `{listed_by}` lists them.")
    if len(found) > 1:
        raise Ambiguous(text, found)
    return found[0]
