"""A base backup held against the manifest that the server wrote while it was copied.

As pg_verifybackup does it; that program of our wheel ends by a segmentation fault.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from smartops.devstack.errors import BackupError

__all__ = ["check_copy"]

_MANIFEST = "backup_manifest"


def check_copy(base: Path) -> None:
    """Compare every file with its size and SHA-256.

    Raises:
        BackupError: the manifest or a file is damaged or missing.
    """
    raw = (base / _MANIFEST).read_bytes()
    manifest = json.loads(raw)
    covered = raw[: raw.rindex(b'"Manifest-Checksum"')]
    if hashlib.sha256(covered).hexdigest() != manifest["Manifest-Checksum"]:
        raise _unsound(base / _MANIFEST)
    for entry in manifest["Files"]:
        name = entry.get("Path") or bytes.fromhex(entry["Encoded-Path"]).decode("utf-8")
        path = base / name
        if not path.is_file() or path.stat().st_size != entry["Size"]:
            raise _unsound(path)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["Checksum"]:
                raise _unsound(path)


def _unsound(path: Path) -> BackupError:
    return BackupError(
        f"{str(path)!r} is not what the server sent", "Look at that disk; try again."
    )
