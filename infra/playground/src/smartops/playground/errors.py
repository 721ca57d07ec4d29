"""Every way the playground says no.

PlaygroundError
├── Problem              an answer to a request, told as problem+json
│   ├── MalformedRequest     400, the body or the query cannot be read
│   ├── Unauthorized         401
│   ├── NotFound             404
│   ├── MethodNotAllowed     405
│   ├── Conflict             409, what there is does not allow it
│   ├── PreconditionFailed   412, it is no longer what the caller saw
│   ├── BodyTooLarge         413
│   ├── UnsupportedMediaType 415
│   ├── InvalidField         422, a field was read and is wrong
│   ├── KeyReused            422, the same idempotency key with another body
│   ├── PreconditionRequired 428, the caller must say what it saw
│   └── InjectedFailure      500, a fault switch asked for it
├── ConnectionDropped    the connection ends without an answer
├── InvalidOption        the process was started with options that cannot work
├── FileInUse            another process writes this file
├── FileCorrupt          a file does not hold what was written to it
├── SpecMismatch         the state file belongs to another fleet
└── StorageFailed        a line could not be written
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "BodyTooLarge",
    "Conflict",
    "ConnectionDropped",
    "FileCorrupt",
    "FileInUse",
    "InjectedFailure",
    "InvalidField",
    "InvalidOption",
    "KeyReused",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotFound",
    "PlaygroundError",
    "PreconditionFailed",
    "PreconditionRequired",
    "Problem",
    "SpecMismatch",
    "StartFailed",
    "StorageFailed",
    "Unauthorized",
    "UnsupportedMediaType",
]


class PlaygroundError(Exception):
    """Root of all errors raised by the playground."""

    code = "playground_error"
    retryable = False


class Problem(PlaygroundError):
    """A request that gets no success; nothing was applied for it."""

    status = 400

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        """The body field, query parameter or header at fault, by its name on the wire."""
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        """Headers that the status calls for, beside the content type."""


class MalformedRequest(Problem):
    """The body, the query or a header cannot be read at all."""

    code = "malformed_request"


class Unauthorized(Problem):
    """The bearer token is missing or is another one."""

    code = "unauthorized"
    status = 401

    def __init__(self) -> None:
        super().__init__("Send the playground's token as 'Authorization: Bearer <token>'.")
        self.field = "authorization"
        self.headers = ((b"www-authenticate", b"Bearer"),)


class NotFound(Problem):
    """No such path, server, role, setting, cluster, backup or fault."""

    code = "not_found"
    status = 404


class MethodNotAllowed(Problem):
    """The path exists, but not with this method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        listed = ", ".join(allowed)
        super().__init__(f"{method} is not possible here; use {listed}.")
        self.headers = ((b"allow", listed.encode()),)


class Conflict(Problem):
    """The request is in order, but not possible as things stand."""

    code = "conflict"
    status = 409


class PreconditionFailed(Problem):
    """Somebody else was faster: it has another revision than the caller saw."""

    code = "precondition_failed"
    status = 412

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"It has revision {found}, not {expected}.", field="if-match")


class PreconditionRequired(Problem):
    """A change that does not say what it is a change of could undo somebody else's."""

    code = "precondition_required"
    status = 428

    def __init__(self) -> None:
        super().__init__(
            'Send the revision that you saw, as If-Match: "<number>".', field="if-match"
        )


class BodyTooLarge(Problem):
    """The body is longer than any request of this API can be."""

    code = "body_too_large"
    status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"Send at most {limit_bytes} bytes of body.")


class UnsupportedMediaType(Problem):
    """The body says it is something other than JSON."""

    code = "unsupported_media_type"
    status = 415

    def __init__(self, found: str) -> None:
        super().__init__(f"Send application/json, not {found!r}.", field="content-type")


class InvalidField(Problem):
    """A field of a readable request is missing, unknown or out of range."""

    code = "invalid_field"
    status = 422

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field!r} {detail}.", field=field)


class KeyReused(Problem):
    """An idempotency key came back with another meaning."""

    code = "idempotency_key_reused"
    status = 422

    def __init__(self, key: str) -> None:
        super().__init__(
            f"Key {key!r} was used for another write; take a new key for a new write.",
            field="idempotency-key",
        )


class InjectedFailure(Problem):
    """A `fail_next` switch answered instead of the server; nothing was applied."""

    code = "injected_failure"
    status = 500
    retryable = True

    def __init__(self, fault: str) -> None:
        super().__init__(f"Switch {fault!r} made this request fail before it was applied.")


class ConnectionDropped(PlaygroundError):
    """The caller gets no answer. In-process callers see this error itself."""

    code = "connection_dropped"
    retryable = True

    def __init__(self, *, applied: bool) -> None:
        super().__init__("The connection was closed without an answer.")
        self.applied = applied
        """Whether the write had taken effect before the connection went."""


class InvalidOption(PlaygroundError):
    """An option, or a file an option names, cannot be used."""

    code = "invalid_option"


class FileInUse(PlaygroundError):
    """Two processes writing one file would interleave their numbers."""

    code = "file_in_use"
    retryable = True

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is written by another process: stop it, or name another.")


class FileCorrupt(PlaygroundError):
    """A complete line cannot be understood, so nothing after it can be trusted."""

    code = "file_corrupt"

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(
            f"{str(path)!r} cannot be read at line {line}: move it away to start afresh."
        )


class SpecMismatch(PlaygroundError):
    """The state file was made for a fleet of another shape."""

    code = "spec_mismatch"

    def __init__(self, path: Path, found: object, wanted: object) -> None:
        super().__init__(
            f"{str(path)!r} holds {found}, not {wanted}: start with its options, or name another."
        )


class StartFailed(PlaygroundError):
    """A playground run as a child ended, or fell silent, before it listened."""

    code = "start_failed"

    def __init__(self, hint: str) -> None:
        super().__init__(f"The playground did not start: {hint or 'it said nothing'}")


class StorageFailed(PlaygroundError):
    """A line could not be appended whole; the file is as it was before."""

    code = "storage_failed"
    retryable = True

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} cannot be appended to: free space on its disk.")
