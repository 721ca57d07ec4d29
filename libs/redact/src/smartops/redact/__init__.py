"""Finds secrets and personal data before they are stored, and puts references in their place."""

from __future__ import annotations

from smartops.redact.blanks import blanked
from smartops.redact.classes import CLASSES, PII_KEY, placeholders
from smartops.redact.errors import (
    MissingPersonal,
    RedactError,
    ReservedKey,
    SecretInArgument,
    UnknownSecret,
    Unscannable,
)
from smartops.redact.findings import Finding, SecretRef
from smartops.redact.personal import Finder
from smartops.redact.pseudonyms import Personal, Pseudonyms, tenant_key
from smartops.redact.redactor import MAX_CHARS, MAX_DEPTH, MAX_NODES, Redactor
from smartops.redact.references import SECRET_KEY, Lookup, PersonalLookup
from smartops.redact.schema import PII_MARK, marked

__all__ = [
    "CLASSES",
    "MAX_CHARS",
    "MAX_DEPTH",
    "MAX_NODES",
    "PII_KEY",
    "PII_MARK",
    "SECRET_KEY",
    "Finder",
    "Finding",
    "Lookup",
    "MissingPersonal",
    "Personal",
    "PersonalLookup",
    "Pseudonyms",
    "RedactError",
    "Redactor",
    "ReservedKey",
    "SecretInArgument",
    "SecretRef",
    "UnknownSecret",
    "Unscannable",
    "blanked",
    "find",
    "marked",
    "placeholders",
    "redact",
    "refuse_secrets",
    "resolve",
    "secret_refs",
    "tenant_key",
]

_DEFAULT = Redactor()

find = _DEFAULT.find
redact = _DEFAULT.redact
refuse_secrets = _DEFAULT.refuse_secrets
secret_refs = _DEFAULT.secret_refs
resolve = _DEFAULT.resolve
