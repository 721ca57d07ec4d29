"""The record: which requests came in, and what became of each."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from smartops.playground.append_file import AppendFile
from smartops.playground.errors import FileCorrupt

__all__ = ["TRACING_HEADERS", "Record"]

TRACING_HEADERS = (
    "x-smartops-call",
    "x-smartops-task",
    "x-smartops-grant",
    "x-smartops-tenant",
)
"""Headers by which a caller says on whose behalf it calls."""

_STRIDE = 256
"""One offset is remembered per so many requests: 8 bytes instead of 2 kB."""


class Record:
    """An append-only file of JSON lines about requests, numbered from 1 without gaps.

    A request line has `n`. What became of it follows on a line of its own: `applied`, `replayed`
    (an earlier answer was given again) or `refused`, each holding the request's number. A request
    that is still waiting, or whose process was killed, has no second line.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        reads: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the record at `path` and go on after its last number; None for a nameless file.

        Args:
            path: The file, made if missing.
            reads: Whether reads are recorded too.
            clock: Seconds since the epoch.

        Raises:
            FileInUse: Another process writes the record.
            FileCorrupt: It holds something other than a record.
            InvalidOption: The file cannot be opened.
        """
        self.reads = reads
        self._clock = clock
        self._file = AppendFile(path) if path is not None else AppendFile.temporary()
        self.last = 0
        """The number of the last request; 0 before the first."""
        self._marks: list[int] = []
        self._find_end()

    def _find_end(self) -> None:
        offset = 0
        for number, line in enumerate(self._file.lines(), start=1):
            try:
                n = json.loads(line).get("n")
            except (ValueError, AttributeError) as error:
                path = self._file.path
                self._file.close()
                raise FileCorrupt(path, number) from error
            if n is not None:
                self._number(n, offset)
            offset += len(line) + 1

    def _number(self, n: int, offset: int) -> None:
        self.last = n
        if (n - 1) % _STRIDE == 0:
            self._marks.append(offset)

    def request(
        self,
        *,
        method: str,
        path: str,
        server: str | None,
        operation: str | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> int:
        """Write down a request before anything is decided about it; return its number.

        Args:
            method: The HTTP method.
            path: The path with its query.
            server: The server that the path names, whether it exists or not.
            operation: The operation asked for; None where there is none.
            body: The body as sent; None if it was too long to be read.
            headers: All headers by lower-case name.

        Raises:
            StorageFailed: It could not be written; the request must not go on.
        """
        n = self.last + 1
        line = {
            "n": n,
            "at": self._clock(),
            "method": method,
            "path": path,
            "server": server,
            "operation": operation,
            "body_sha256": None if body is None else hashlib.sha256(body).hexdigest(),
            "idempotency_key": headers.get("idempotency-key"),
            "headers": {name: headers.get(name) for name in TRACING_HEADERS},
            "deduped": None,  # Not known yet: a later line says so.
        }
        self._number(n, self._write(line))
        return n

    def applied(self, n: int, server: str, operation: str, result: Mapping[str, Any]) -> None:
        """Write down that request `n` took effect, with the answer that it deserves."""
        self._outcome("applied", n, server=server, operation=operation, result=result)

    def recovered(self, n: int, server: str, operation: str, result: Mapping[str, Any]) -> None:
        """The same, found out on a restart: the process was killed before it could say so."""
        self._outcome(
            "applied", n, server=server, operation=operation, result=result, recovered=True
        )

    def replayed(self, n: int) -> None:
        """Write down that request `n` was a repetition and changed nothing."""
        self._outcome("replayed", n)

    def refused(self, n: int, *, status: int | None, code: str) -> None:
        """Write down that request `n` changed nothing; `status` is None for a closed connection."""
        self._outcome("refused", n, status=status, code=code)

    def lines(self, since: int = 0) -> Iterator[bytes]:
        """All lines about requests with a number above `since`, in the order of writing."""
        if since >= self.last:
            return
        begin = self._marks[since // _STRIDE] if since > 0 else 0
        for line in self._file.lines(begin):
            if since == 0 or _about(line) > since:
                yield line

    def settled_as_applied(self, since: int) -> set[int]:
        """Numbers above `since` of the requests written down as applied."""
        lines = (json.loads(line) for line in self.lines(since))
        return {line["applied"] for line in lines if "applied" in line}

    def close(self) -> None:
        """Close the file; closing twice is no matter."""
        self._file.close()

    def _outcome(self, word: str, n: int, **facts: object) -> None:
        self._write({word: n, "at": self._clock(), **facts})

    def _write(self, line: Mapping[str, Any]) -> int:
        return self._file.append(json.dumps(line).encode() + b"\n")


def _about(line: bytes) -> int:
    # Every line begins with the number of its request, whatever the word before it.
    number: int = next(iter(json.loads(line).values()))
    return number
