"""A file of lines that only grows, written by one process, readable after any kill."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from smartops.playground.errors import FileInUse, InvalidOption, StorageFailed

__all__ = ["AppendFile"]

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_CHUNK_BYTES = 1 << 18


class AppendFile:
    """Lines ended by a newline, each appended by a single write.

    A line is in the kernel's hands once `append` returns: it outlives the process, even after
    kill -9, but not a power failure, which nothing here stands for. The end of a line that was
    being written when the process died is cut off on opening: `append` had not returned for it,
    so nobody was told of it.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`, made if missing, and lock it against other processes.

        Raises:
            FileInUse: Another process has it open.
            InvalidOption: It cannot be opened.
        """
        self.path = path
        self._fd = _locked(path)
        self._size = _without_torn_end(self._fd)

    @classmethod
    def temporary(cls) -> AppendFile:
        """A file without a name, gone when it is closed."""
        handle, name = tempfile.mkstemp(prefix="playground-")
        os.close(handle)
        file = cls(Path(name))
        file.path.unlink()
        return file

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return self._size

    def append(self, line: bytes) -> int:
        """Write one line and return the offset at which it begins.

        Raises:
            StorageFailed: It could not be written whole; the file is as before.
        """
        begin = self._size
        try:
            written = os.write(self._fd, line)
            if written != len(line):
                # Half a line would swallow the one appended after it.
                os.ftruncate(self._fd, begin)
                raise StorageFailed(self.path)
        except OSError as error:
            raise StorageFailed(self.path) from error
        self._size += written
        return begin

    def lines(self, begin: int = 0) -> Iterator[bytes]:
        """The lines from offset `begin` up to the end as it is now, without their newlines."""
        end, rest = self._size, b""
        while begin < end:
            chunk = os.pread(self._fd, min(_CHUNK_BYTES, end - begin), begin)
            begin += len(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole

    def replace(self, lines: Iterable[bytes]) -> None:
        """Put `lines` in the place of all that the file holds, at once or not at all.

        Raises:
            StorageFailed: They could not be written; the file is as before.
        """
        beside = self.path.with_name(f".{self.path.name}.new")
        fresh = _locked(beside)
        try:
            os.ftruncate(fresh, 0)  # A process killed right here left its half behind.
            with open(fresh, "wb", closefd=False) as out:
                out.writelines(lines)
            beside.replace(self.path)
        except OSError as error:
            os.close(fresh)
            beside.unlink(missing_ok=True)
            raise StorageFailed(self.path) from error
        os.close(self._fd)
        self._fd, self._size = fresh, os.fstat(fresh).st_size

    def close(self) -> None:
        """Close the file and let others have it; closing twice is no matter."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _locked(path: Path) -> int:
    while True:
        try:
            fd = os.open(path, _FLAGS, 0o640)
        except OSError as error:
            raise InvalidOption(f"{str(path)!r} cannot be opened for writing: {error}.") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise FileInUse(path) from error
        # 1. We open the file. 2. Its owner replaces it and lets go of the old one. 3. We lock the
        # old one, which no longer has a name: what we wrote would be lost. So look again.
        try:
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except FileNotFoundError:
            pass  # Replaced or removed in between: the loop opens what is there now.
        os.close(fd)


def _without_torn_end(fd: int) -> int:
    size = os.fstat(fd).st_size
    end = size
    while end > 0:
        begin = max(0, end - _CHUNK_BYTES)
        newline = os.pread(fd, end - begin, begin).rfind(b"\n")
        end = begin + newline + 1 if newline >= 0 else begin
        if newline >= 0:
            break
    if end != size:
        os.ftruncate(fd, end)
    return end
