"""The database's roles, and their passwords."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

import asyncpg

__all__ = ["LOGIN_ROLES", "OWNER", "SERVICE_ROLES", "set_role_passwords"]

OWNER = "smartops_owner"
"""Owns everything, and nobody can log in as it."""

SERVICE_ROLES = (
    "smartops_planner",
    "smartops_policy",
    "smartops_runner",
    "smartops_tool_gateway",
    "smartops_audit",
)
"""One per service: SELECT on the log, EXECUTE on the store's functions, nothing else here."""

LOGIN_ROLES = (*SERVICE_ROLES, "smartops_reader")
"""All that may be given a password. The reader has no rights in the log at all."""


_ITERATIONS = 4096
"""PostgreSQL's own default (`scram_iterations`)."""


async def set_role_passwords(
    conn: "asyncpg.Connection[asyncpg.Record]", passwords: Mapping[str, str]
) -> None:
    """Set passwords; other roles keep theirs.

    Only the SCRAM verifier is sent: no statement, and so no server log, ever holds a password.

    Args:
        conn: A connection that may alter the roles.
        passwords: By role name, from `LOGIN_ROLES`; printable ASCII.

    Raises:
        ValueError: A name is not one of ours, or a password is empty or not printable ASCII.
    """
    unknown = set(passwords) - set(LOGIN_ROLES)
    if unknown:
        raise ValueError(f"not roles of SmartOps: {sorted(unknown)!r}; use {LOGIN_ROLES!r}")
    verifiers = {role: _scram_verifier(password) for role, password in passwords.items()}
    async with conn.transaction():
        for role, verifier in sorted(verifiers.items()):
            await conn.execute(f"alter role {role} password '{verifier}'")


def _scram_verifier(password: str) -> str:
    """What the server stores for SCRAM-SHA-256 (RFC 5803)."""
    if not (password and password.isascii() and password.isprintable()):
        raise ValueError("a password must be printable ASCII: other characters need normalising")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return (
        f"SCRAM-SHA-256${_ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"
    )


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
