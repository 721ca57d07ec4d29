"""Where an installation is, and as whom one talks to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smartops.sdk.errors import NoIdentity, NoProfile

__all__ = ["DEFAULT_HOME", "DEFAULT_IDENTITY", "Profile"]

DEFAULT_HOME = Path(".smartops")
"""In the working directory."""

DEFAULT_IDENTITY = "operator"
"""May submit and control tasks; the other local identity, `approver`, decides on them."""

_FILE = "profile.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A local installation, as its home directory describes it."""

    home: Path
    nats_url: str
    reader_dsn: str = field(repr=False)
    """Database URL of the read-only role, password included."""
    tenant: str
    prefix: str
    """First token of all subjects; may be empty."""
    principals: dict[str, str]
    """Identity name to principal token."""
    monitor_url: str | None = None

    @classmethod
    def load(cls, home: Path = DEFAULT_HOME) -> Profile:
        """Read `<home>/profile.json`.

        Raises:
            NoProfile: there is none, or it is not one.
        """
        path = home / _FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise NoProfile(home) from error
        except (OSError, ValueError) as error:
            raise NoProfile(home, f"{_FILE} cannot be read ({error})") from error
        try:
            return cls(
                home=home,
                nats_url=_text(raw, "nats_url"),
                reader_dsn=_text(raw, "reader_dsn"),
                tenant=_text(raw, "tenant"),
                prefix=_text(raw, "prefix"),
                principals={str(k): str(v) for k, v in raw["principals"].items()},
                monitor_url=raw.get("monitor_url"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise NoProfile(home, f"{_FILE} lacks {error}") from error

    def with_prefix(self, prefix: str) -> Profile:
        """The same installation below another subject prefix."""
        return replace(self, prefix=prefix)

    def principal(self, name: str) -> str:
        """The principal token of an identity.

        Raises:
            NoIdentity: nobody of that name.
        """
        try:
            return self.principals[name]
        except KeyError as error:
            raise NoIdentity(name, tuple(self.principals)) from error

    def name_of(self, principal: str) -> str | None:
        """The local identity behind a principal token; None for everybody else."""
        return next((name for name, token in self.principals.items() if token == principal), None)

    def seed_path(self, name: str) -> Path:
        """The file that holds an identity's NKEY seed.

        Raises:
            NoIdentity: there is none.
        """
        path = self.home / "credentials" / f"{name}.nk"
        if name not in self.principals or not path.is_file():
            raise NoIdentity(name, tuple(self.principals))
        return path


def _text(raw: Any, key: str) -> str:
    value = raw[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return value
