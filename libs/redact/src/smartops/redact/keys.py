"""Which keys name a secret: `db_password`, `X-Api-Key`, `clientSecret`, but not `token_count`."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["secret_kind", "speaks_about"]

_WORDS = re.compile(r"[A-Z]++(?![a-z])|[A-Z]?[a-z]++|[0-9]++")

_SINGULAR = {
    "authorization": "authorization",
    "bearer": "token",
    "cookie": "cookie",
    "credential": "credential",
    "jwt": "token",
    "otp": "password",
    "passcode": "password",
    "passphrase": "password",
    "passwd": "password",
    "password": "password",
    "pwd": "password",
    "secret": "secret",
    "token": "token",
}

_GLUED = {
    "accesskey": "access_key",
    "apikey": "api_key",
    "cookie": "cookie",
    "passwd": "password",
    "password": "password",
    "privatekey": "private_key",
    "secret": "secret",
    "secretkey": "secret",
    "token": "token",
}
"""Ends of words that were written without any joint: `dbpassword`, `idtoken`."""

# fmt: off
_KEYS = frozenset((
    "access", "account", "api", "deploy", "encryption", "host", "master", "private", "secret",
    "session", "shared", "signing", "ssh", "storage",
))
# fmt: on
"""`<word> key` is a secret; `public key`, `primary key` and a lone `key` are not."""

# fmt: off
_ABOUT = frozenset((
    # How many.
    "budget", "count", "counts", "length", "limit", "limits", "max", "min", "size", "total",
    "usage", "used", "in", "out",
    # When.
    "age", "at", "changed", "created", "days", "expiration", "expired", "expires", "expiry",
    "minutes", "ms", "rotated", "rotation", "seconds", "ttl", "updated",
    # Which and where.
    "domain", "endpoint", "file", "id", "ids", "issuer", "mount", "name", "names", "namespace",
    "path", "provider", "ref", "reference", "references", "refs", "source", "store", "uri", "url",
    "version", "versions",
    # How.
    "alg", "algorithm", "enabled", "format", "policies", "policy", "required", "rule", "rules",
    "scope", "scopes", "state", "status", "type", "types",
))
# fmt: on
"""Last words that make a key speak *about* a secret: `token_count`, `secret_name`."""

_HARMLESS = frozenset(
    [("continuation", "token"), ("next", "token"), ("page", "token"), ("sync", "token")]
)
"""Tokens that mark a place in a list."""

_STILL_SECRET = frozenset([("secret", "id")])
"""Half of a pair of credentials, in Vault's AppRole."""


_CACHED_CHARS = 128
"""Keys up to this length are remembered; longer ones are rare, and a cache must stay small."""


def secret_kind(key: str) -> tuple[str, bool] | None:
    """What a value below this key is: (kind, many), or None when the key names no secret.

    `many` is true for plurals, where a number is a quantity: `max_tokens`, `tokens`.
    """
    return _cached_kind(key) if len(key) <= _CACHED_CHARS else _kind(key)


def speaks_about(key: str) -> bool:
    """Whether what is below this key describes a secret and is none: `name`, `rotatedAt`."""
    words = _words(key)
    return bool(words) and _is_about(words)


def _kind(key: str) -> tuple[str, bool] | None:
    words = _words(key)
    if not words or _is_about(words) or tuple(words[-2:]) in _HARMLESS:
        return None
    for index, word in enumerate(words):
        many = word.endswith("s") and word not in _SINGULAR
        single = word[:-1] if many else word
        if single in _SINGULAR:
            return _SINGULAR[single], many
        if single == "key" and index > 0 and words[index - 1] in _KEYS:
            return f"{words[index - 1]}_key", many
        for ending, kind in _GLUED.items():
            if single.endswith(ending):
                return kind, many
    return None


_cached_kind = lru_cache(maxsize=4096)(_kind)


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(key)]


def _is_about(words: list[str]) -> bool:
    return words[-1] in _ABOUT and tuple(words[-2:]) not in _STILL_SECRET
