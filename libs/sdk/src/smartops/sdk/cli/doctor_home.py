"""Looking at the installation's directory: is there one, and who may read its secrets?"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from smartops.sdk.cli.doctor_findings import Finding, problem, warning, well
from smartops.sdk.errors import NoProfile
from smartops.sdk.profile import Profile

__all__ = ["look_at_home"]

PART = "home"
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
    found = [*_profile(profile), *_credential(profile, identity)]
    if not found:
        text = f"{home}: tenant {profile.tenant}, credentials of {identity}"
        found.append(well(PART, "profile", text))
    return found, profile


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
