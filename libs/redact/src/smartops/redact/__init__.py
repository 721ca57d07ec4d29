"""Finds secrets before they are stored: `$secret` references, refusal by field."""

from __future__ import annotations

from smartops.redact.errors import (
    RedactError,
    ReservedKey,
    SecretInArgument,
    UnknownSecret,
    Unscannable,
)
from smartops.redact.findings import Finding, SecretRef
from smartops.redact.redactor import MAX_CHARS, MAX_DEPTH, MAX_NODES, Redactor
from smartops.redact.references import SECRET_KEY, Lookup

__all__ = [
    "MAX_CHARS",
    "MAX_DEPTH",
    "MAX_NODES",
    "SECRET_KEY",
    "Finding",
    "Lookup",
    "RedactError",
    "Redactor",
    "ReservedKey",
    "SecretInArgument",
    "SecretRef",
    "UnknownSecret",
    "Unscannable",
    "find",
    "redact",
    "refuse_secrets",
    "resolve",
    "secret_refs",
]

_DEFAULT = Redactor()

find = _DEFAULT.find
redact = _DEFAULT.redact
refuse_secrets = _DEFAULT.refuse_secrets
secret_refs = _DEFAULT.secret_refs
resolve = _DEFAULT.resolve
