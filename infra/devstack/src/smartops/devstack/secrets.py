"""Credentials of the local installation: made once, kept in files only their owner can read.

`<user>.nk` files hold the seeds of NATS users, one per file, so that a service is given its
own and no other. `postgres.json` holds the passwords of the database roles. What exists is kept:
the servers know its other half.
"""

from __future__ import annotations

import binascii
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nkeys  # type: ignore[import-untyped]
from smartops.devstack.errors import CredentialError
from smartops.devstack.files import private_directory, write_private
from smartops.vault.making import PRIVATE, PUBLIC, TOKENS, make_keys

__all__ = ["Credentials", "NatsUser"]

PASSWORD_BYTES: Final = 32

_PASSWORDS: Final = "postgres.json"


@dataclass(frozen=True)
class NatsUser:
    """A NATS user as the server knows it, and where its secret half lies.

    Attributes:
        name: What people call it.
        public_key: Starts with U; goes into the server's configuration.
        seed_path: The file a client signs with; to be handed to one service only.
    """

    name: str
    public_key: str
    seed_path: Path


class Credentials:
    """The credentials below `<home>/credentials`.

    Its methods make what is missing, keep what exists, and may run in several processes at once.
    """

    def __init__(self, home: Path) -> None:
        self.directory = home.absolute() / "credentials"

    def nats_users(self, names: Iterable[str]) -> dict[str, NatsUser]:
        """Return a NATS user for each name, in the order given.

        Raises:
            CredentialError: A seed file holds something else.
        """
        with self._locked():
            return {name: self._nats_user(name) for name in names}

    def passwords(self, roles: Iterable[str]) -> dict[str, str]:
        """Return a password for each database role; other roles' passwords stay as they are.

        Raises:
            CredentialError: The password file holds something else.
        """
        path = self.directory / _PASSWORDS
        wanted = list(roles)
        with self._locked():
            known = _read_passwords(path)
            missing = [role for role in wanted if role not in known]
            if missing:
                known.update({role: secrets.token_urlsafe(PASSWORD_BYTES) for role in missing})
                write_private(path, json.dumps(known, indent=2, sort_keys=True) + "\n")
            return {role: known[role] for role in wanted}

    def vault_keys(self) -> dict[str, dict[str, Path]]:
        """The keys of personal data, as each service is told of them: setting to file.

        They are in no backup of the database: what lies there cannot be read with that alone.
        """
        with self._locked():
            if not all((self.directory / name).exists() for name in (PRIVATE, PUBLIC, TOKENS)):
                make_keys(self.directory)
        tokens = {"SMARTOPS_PII_KEY_FILE": self.directory / TOKENS}
        return {
            "planner": {**tokens, "SMARTOPS_VAULT_PUBLIC_KEY_FILE": self.directory / PUBLIC},
            "tool_gateway": {**tokens, "SMARTOPS_VAULT_KEY_FILE": self.directory / PRIVATE},
        }

    def _nats_user(self, name: str) -> NatsUser:
        path = self.directory / f"{name}.nk"
        if not path.exists():
            seed = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)
            # No newline: clients take the whole file for the seed.
            write_private(path, bytes(seed).decode("ascii"))
        return NatsUser(name, _public_key(path), path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(private_directory(self.directory), os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read_passwords(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _unreadable(path) from error
    if not isinstance(known, dict):
        raise _unreadable(path)
    return known


def _public_key(path: Path) -> str:
    try:
        pair = nkeys.from_seed(bytearray(path.read_bytes().strip()))
        try:
            public_key = bytes(pair.public_key).decode("ascii")
        finally:
            pair.wipe()
    except (nkeys.NkeysError, binascii.Error, ValueError) as error:
        raise _unreadable(path) from error
    if not public_key.startswith("U"):
        raise _unreadable(path)
    return public_key


def _unreadable(path: Path) -> CredentialError:
    return CredentialError(
        f"{str(path)!r} does not hold what it should. Restore it, or remove it together with the "
        "data of the server it belongs to."
    )
