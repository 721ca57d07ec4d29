"""Why a value is refused. No message quotes the value, or a key that looks like a secret.

RedactError
├── SecretInArgument   something that looks like a secret stands where it would be stored
├── ReservedKey        a `$` key that is not a legal reference
├── Unscannable        too deep, too large, or no JSON: nobody can say what is in it
├── UnknownSecret      a reference to a secret that the lookup does not have
└── MissingPersonal    a token of personal data whose value is not there, or not there any more
"""

from __future__ import annotations

__all__ = [
    "MissingPersonal",
    "RedactError",
    "ReservedKey",
    "SecretInArgument",
    "UnknownSecret",
    "Unscannable",
]

REFERENCE_HINT = 'keep the secret in the tool gateway and write {"$secret": "<name>"} here'


class RedactError(Exception):
    """Root of this library's errors."""

    code: str = "redact_error"
    retryable: bool = False

    def __init__(self, message: str, *, path: str) -> None:
        place = path if path.isprintable() else repr(path)
        super().__init__(f"{place or '(the whole value)'}: {message}")
        self.path = path
        """RFC 6901 pointer to the field; secrets in keys are replaced as `redact` replaces them."""


class SecretInArgument(RedactError):
    """A secret would be stored for ever. Store it with the gateway and refer to it by name."""

    code = "secret_in_argument"

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(f"looks like a secret ({kind}); {REFERENCE_HINT}", path=path)
        self.kind = kind


class ReservedKey(RedactError):
    """Keys that begin with `$` mean something to SmartOps; this one means nothing."""

    code = "reserved_key"

    def __init__(self, path: str) -> None:
        super().__init__(
            'a key that begins with $ is reserved; a reference is {"$secret": "<name>"} alone in'
            " its object, its name lower case: [a-z][a-z0-9._/-]*, at most 128 characters; or"
            ' {"$pii": "<class>", "token": "<32 hex>"}',
            path=path,
        )


class Unscannable(RedactError):
    """The value cannot be searched, so it is treated as if it were one secret."""

    code = "unscannable"

    def __init__(self, reason: str, *, path: str = "") -> None:
        super().__init__(f"cannot be searched for secrets: {reason}", path=path)
        self.reason = reason


class UnknownSecret(RedactError):
    """No secret of this name. Create it with the gateway, or correct the name."""

    code = "unknown_secret"

    def __init__(self, path: str, name: str) -> None:
        super().__init__(f"there is no secret {name!r}", path=path)
        self.name = name


class MissingPersonal(RedactError):
    """No value stands behind this token for this task: erased, or never its own."""

    code = "missing_pii"

    def __init__(self, path: str, token: str) -> None:
        super().__init__(
            f"there is no value behind token {token}: it was erased, or is not this task's",
            path=path,
        )
        self.token = token
