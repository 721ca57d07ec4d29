"""How to reach the servers of an installation that another process has started."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, urlsplit

from smartops.devstack.cluster import SUPERUSER, stored_superuser_password
from smartops.devstack.errors import BackupError

__all__ = ["is_up", "superuser_dsn"]


def superuser_dsn(home: Path) -> str:
    """The running database, as its superuser.

    Raises:
        BackupError: there is no installation.
    """
    try:
        profile = json.loads((home / "profile.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackupError(
            f"there is no installation in {str(home)!r}", "Name it by --home or $SMARTOPS_HOME."
        ) from None
    found = urlsplit(profile["reader_dsn"])
    password = quote(stored_superuser_password(home / "postgres"), safe="")
    place = f"{found.hostname}:{found.port}{found.path}"
    return f"postgresql://{SUPERUSER}:{password}@{place}?{found.query}"


def is_up(home: Path) -> bool:
    """Whether a supervisor runs it, as far as its own file tells."""
    try:
        running = json.loads((home / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return Path(f"/proc/{running['pid']}").exists()
