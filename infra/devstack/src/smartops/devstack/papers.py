"""The files that tell an installation's services and people what is where, and who is who."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from smartops.devstack.files import write_private

__all__ = ["write_actors", "write_autonomy", "write_profile", "write_running"]

_AUTONOMY = {
    "environments": {
        "production": {"cooldown": "PT0S", "require_two_approvers": False},
        "staging": {"cooldown": "PT0S"},
        "development": {"cooldown": "PT0S"},
        "sandbox": {"cooldown": "PT0S"},
    }
}


def write_actors(home: Path, tenant: str, persons: Mapping[str, tuple[str, ...]]) -> None:
    """Tell policy of the local people and their roles, unless it has been told already."""
    actors = [
        {
            "tenant": tenant,
            "name": name,
            "roles": list(roles),
            "principals": [{"issuer": "local", "subject": name}],
        }
        for name, roles in persons.items()
    ]
    path = home / "actors.json"
    if not path.exists():  # People may edit it; the next start tells policy.
        write_private(path, json.dumps(actors, indent=2) + "\n")


def write_autonomy(home: Path) -> None:
    """What a single machine needs otherwise: nobody there has a second approver or time."""
    path = home / "autonomy.json"
    if not path.exists():  # As above: people may edit it.
        write_private(path, json.dumps(_AUTONOMY, indent=2) + "\n")


def write_profile(home: Path, profile: Mapping[str, object]) -> None:
    """Tell clients how to reach it."""
    write_private(home / "profile.json", json.dumps(profile, indent=2) + "\n")


def write_running(home: Path, parts: Mapping[str, object]) -> None:
    """Tell which processes it is, of which this one leads."""
    running = {"pid": os.getpid(), **parts}
    write_private(home / "run.json", json.dumps(running, indent=2) + "\n")
