"""What must not be stored, taken out of a value before its first append, and kept in the vault.

The order matters. (1) Secrets are refused or blanked, (2) personal data becomes references, (3) the
values are sealed and stored, (4) only then is the event appended that names the references: an
event whose token has no row would be a loss, a row without an event is swept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from smartops.eventstore import EventStore
from smartops.redact import (
    Finder,
    Personal,
    Pseudonyms,
    Unscannable,
    marked,
    redact,
    tenant_key,
)
from smartops.vault.echoes import without_echoes
from smartops.vault.errors import CannotOpen
from smartops.vault.keys import KEY_BYTES, Sealer, read_token_key

__all__ = ["Keeper", "Redacted"]

_COVERED = b"\0covered\0"
"""No subject begins like this."""

_UNSCANNABLE = "[secret:unscannable]"
"""Stands for an answer that cannot be searched, as for one that is too deep or too large."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A value that may be stored, once what was taken out of it is kept."""

    value: Any
    found: tuple[Personal, ...]


class Keeper:
    """Takes personal data out of values and keeps it, sealed: all that the planner can do.

    Args:
        store: connected as a role that may put values into the vault.
        finder: what counts as personal.
        token_key: of all tenants; each has a key of its own, made of it. None: of this process
            alone, so equal values are recognised as equal within it only.
        sealer: to the gateway's key. None: there is no vault, and what is taken out is lost.
    """

    def __init__(
        self,
        store: EventStore,
        finder: Finder,
        token_key: bytes | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        self._store = store
        self._finder = finder
        self._token_key = token_key or secrets.token_bytes(KEY_BYTES)
        self._sealer = sealer

    @classmethod
    def of_files(
        cls, store: EventStore, finder: Finder, token_key: Path | None, public_key: Path | None
    ) -> Keeper:
        """A keeper with the keys of these files; without either of them there is no vault.

        Raises:
            BadKeyFile: one holds something else.
        """
        if token_key is None or public_key is None:
            return cls(store, finder)
        return cls(store, finder, read_token_key(token_key), Sealer.read(public_key))

    @property
    def keeps(self) -> bool:
        """Whether there is a vault."""
        return self._sealer is not None

    def take_out(self, tenant: str, value: Any) -> Redacted:
        """A copy of what our own people wrote, without personal data.

        Args:
            tenant: whose it is.
            value: JSON free of secrets. A text that is one value becomes a reference.
        """
        pseudonyms = self._pseudonyms(tenant)
        return Redacted(pseudonyms.value(value), tuple(pseudonyms.found.values()))

    def take_out_of_text(self, tenant: str, text: str) -> Redacted:
        """The same for what must stay a text: it has placeholders instead of references."""
        pseudonyms = self._pseudonyms(tenant)
        return Redacted(pseudonyms.text(text), tuple(pseudonyms.found.values()))

    def clean_text(self, tenant: str, text: str) -> str:
        """A reason or a note, with tokens; nobody will need the values, so nothing is kept."""
        try:
            return str(self.take_out_of_text(tenant, redact(text)).value)
        except Unscannable:
            return _UNSCANNABLE

    def take_out_foreign(
        self,
        tenant: str,
        value: Any,
        told: Collection[Personal] = (),
        secret: Collection[str] = (),
        *,
        as_text: bool = False,
        schema: Mapping[str, Any] | None = None,
    ) -> Redacted:
        """A copy of what a tool said: no secrets, no personal data, no references of its making.

        Args:
            tenant: whose call it answers.
            value: anything.
            told: personal data that the tool was told. If it says that again, it is as personal as
                before, whatever it looks like.
            secret: secrets that it was told; the same.
            as_text: the value is a text and stays one, even if all of it is personal.
            schema: the value's; fields that it marks as personal are, whatever they look like.
        """
        cleaned = redact(without_echoes(value, secret), keep_references=False)
        pseudonyms = self._pseudonyms(tenant, foreign=True, told=told)
        try:
            if schema is not None:
                cleaned = marked(cleaned, schema, pseudonyms.mark)
            replaced = pseudonyms.text(cleaned) if as_text else pseudonyms.value(cleaned)
        except Unscannable:
            return Redacted(_UNSCANNABLE, ())
        return Redacted(replaced, tuple(pseudonyms.found.values()))

    def fingerprint(self, tenant: str, content: str) -> str:
        """The digest of a command's bytes under the tenant's key.

        Without a key whoever reads the log could try all phone numbers until the digest fits, also
        when the value has long been erased.
        """
        key = tenant_key(self._token_key, tenant)
        return "sha256:" + hmac.digest(key, content.encode(), hashlib.sha256).hex()

    def cover(self, payload: bytes) -> bytes:
        """Bytes that lie parked, for whoever has the key of tokens: this service, later."""
        return _COVERED + self._lid().encrypt(payload)

    def uncover(self, payload: bytes) -> bytes:
        """What `cover` made, or what was never covered.

        Raises:
            CannotOpen: it was covered under another key.
        """
        if not payload.startswith(_COVERED):
            return payload
        try:
            return self._lid().decrypt(payload.removeprefix(_COVERED))
        except CryptoError:
            raise CannotOpen("of tokens") from None

    def _lid(self) -> SecretBox:
        return SecretBox(hmac.digest(self._token_key, b"smartops/parked/v1", hashlib.sha256))

    async def keep(self, tenant: str, task: UUID, found: Iterable[Personal]) -> None:
        """Store values for a task; those that it has, or had, stay as they are."""
        if self._sealer is None:
            return
        rows = [
            (one.token, one.kind, self._sealer.seal(json.dumps(one.value).encode()))
            for one in found
        ]
        if rows:
            await self._store.vault_put(tenant, task, self._sealer.key_id, rows)

    def _pseudonyms(
        self, tenant: str, *, foreign: bool = False, told: Collection[Personal] = ()
    ) -> Pseudonyms:
        key = tenant_key(self._token_key, tenant)
        return Pseudonyms(self._finder, key, foreign=foreign, told=told)
