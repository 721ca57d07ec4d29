"""Looking at the installation's directory: is there one, and who may read its secrets?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from smartops.sdk.cli.doctor_findings import Finding, problem, warning, well
from smartops.sdk.errors import NoProfile
from smartops.sdk.profile import Profile

__all__ = ["judge_room", "look_at_home"]

PART = "home"
ROOM_BYTES = 64 * 1024**2
"""With less room than this servers stop working soon, or have stopped; see `NatsServer`."""
_DISKS = {
    "": "logs and credentials lie",
    "postgres": "the database lies",
    "postgres/pg_wal": "the database's write-ahead log lies",
    "nats": "the bus's store lies",
}
"""What may lie on disks of its own, below a home whose servers run here."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look_at_home(home: Path, identity: str) -> tuple[list[Finding], Profile | None]:
    """What is there, and the profile if it can be read.

    Args:
        home: the installation's directory.
        identity: as whom commands are given.
    """
    try:
        profile = Profile.load(home)
    except NoProfile as error:
        advice = "Run `smartops up` here, or name the installation by --home or $SMARTOPS_HOME."
        return [problem(PART, "no_profile", str(error).partition(". ")[0], advice)], None
    found = [*_profile(profile), *_credential(profile, identity), *_rooms(home)]
    if not found:
        text = f"{home}: tenant {profile.tenant}, credentials of {identity}"
        found.append(well(PART, "profile", text))
    return found, profile


def judge_room(place: Path, what: str, free_bytes: int) -> list[Finding]:
    """Whether a disk has room.

    Args:
        place: a directory on it.
        what: what lies there, as the end of a sentence.
        free_bytes: that we could still write.
    """
    if free_bytes >= ROOM_BYTES:
        return []
    text = f"the disk of {place}, where {what}, has {free_bytes >> 20} MiB left"
    advice = "Make room there: accepted work waits, and servers that `smartops up` runs come back."
    return [problem(PART, "disk_full", text, advice)]


def _rooms(home: Path) -> Iterator[Finding]:
    looked_at = set()
    for name, what in _DISKS.items():
        place = home / name
        try:
            device, disk = place.stat().st_dev, os.statvfs(place)
        except OSError:
            continue  # The servers run elsewhere, or as somebody who keeps this closed.
        if device not in looked_at:
            looked_at.add(device)
            yield from judge_room(place, what, disk.f_bavail * disk.f_frsize)


def _profile(profile: Profile) -> Iterator[Finding]:
    path = profile.home / "profile.json"
    if not profile.tenant:
        text = f"{path} names no tenant, so that views show nothing"
        yield problem(PART, "no_tenant", text, 'Write the tenant into it: "tenant": "acme".')
    yield from _mode(path, "it holds the reader's password")


def _credential(profile: Profile, identity: str) -> Iterator[Finding]:
    path = profile.home / "credentials" / f"{identity}.nk"
    if identity not in profile.principals:
        known = ", ".join(sorted(profile.principals)) or "nobody"
        text = f"{identity!r} is nobody in {profile.home / 'profile.json'}"
        yield problem(PART, "no_identity", text, f"Act as one of those it knows: --as {known}.")
        return
    try:
        seed = path.read_bytes()
    except FileNotFoundError:
        advice = "Put the seed back, or stop the stack and run `smartops up`: it makes a new one."
        yield problem(PART, "no_credential", f"{path} is not there", advice)
        return
    except OSError as error:
        text = f"{path} cannot be read: {error.strerror or error}"
        yield problem(PART, "unreadable_credential", text, f"Make it yours: `chown $USER {path}`.")
        return
    if not seed.strip().startswith(b"SU"):
        text = f"{path} holds no NKEY seed of a user"
        yield problem(PART, "bad_credential", text, "Put the seed back: it begins with SU.")
    yield from _mode(path, f"who reads it can act as {identity}")


def _mode(path: Path, why: str) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        text = f"{path} has mode {mode:04o}: others on this machine may read it, and {why}"
        yield warning(PART, "open_file", text, f"Close it: `chmod 600 {path}`.")
