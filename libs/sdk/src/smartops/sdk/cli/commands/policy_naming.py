"""Bundles as people name them: by a folder, or by the beginning of a digest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smartops.sdk.cli.session import Session, Usage

if TYPE_CHECKING:
    from smartops.sdk.reader import Reader, Row
    from smartops.sdk.second_engine import SecondEngine

__all__ = ["engine_of", "named", "short"]


async def named(session: Session, text: str) -> Row:
    """The bundle that a digest, or the beginning of one, names.

    Raises:
        NotFound: none does.
        Usage: several do.
    """
    async with session.reader() as reader:
        return _named(text, await reader.bundles())


def short(digest: str | None) -> str:
    """As much of a digest as people need."""
    return "-" if digest is None else digest.removeprefix("sha256:")[:12]


@asynccontextmanager
async def engine_of(
    session: Session, reader: Reader, bundle: str
) -> AsyncIterator[tuple[SecondEngine, str]]:
    """An engine of a folder, or of a bundle that the log knows; and its digest."""
    from smartops.sdk.second_engine import SecondEngine  # noqa: PLC0415 - the same

    async with SecondEngine() as engine:
        if Path(bundle).is_dir():  # noqa: ASYNC240 - nothing else runs meanwhile
            loaded = await engine.load(directory=bundle)
        else:
            row = _named(bundle, await reader.bundles())
            if row["document"] is None:
                raise Usage(f"the log holds no copy of {row['digest']}: name a folder")
            loaded = await engine.load(document=bytes(row["document"]).decode())
        if loaded.failures:
            session.note(
                f"{len(loaded.failures)} of its own cases fail; it could not be proposed so.",
                style="yellow",
            )
        yield engine, loaded.digest


def _named(text: str, rows: list[Row]) -> Row:
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - the same

    wanted = text.lower().removeprefix("sha256:")
    found = [row for row in rows if row["digest"].removeprefix("sha256:").startswith(wanted)]
    if not found or not wanted:
        raise NotFound(f"no bundle begins with {text!r}. `smartops policy list` lists them.")
    if len(found) > 1:
        raise Usage(f"{text!r} fits several bundles: type more of the digest.")
    return found[0]
