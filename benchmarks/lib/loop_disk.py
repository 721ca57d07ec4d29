"""A file system of our own in a file: it can run full, and it can lose its power.

Power is lost by ext4's own shutdown request, the one its test suite uses for just that: from that
moment nothing more goes to the disk, neither what lies in the kernel's cache nor the journal's
open transaction. Mounting it again replays what had been flushed. So whatever was not made durable
is gone as if the plug had been pulled; only a disk that lies about its own flush is not shown.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

__all__ = ["LoopDisk", "why_no_loop_disks"]

_EXT4_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, `_IOR('X', 125, __u32)`."""
_WITHOUT_FLUSHING_THE_JOURNAL = 2

_OPTIONS = "loop,noatime,noauto_da_alloc"
"""Without the last one ext4 flushes files by itself that are replaced carelessly."""

_NEW_MOUNTS = 0x00020000
_PRIVATE, _RECURSIVE = 1 << 18, 1 << 14

_BUSY_S = 10.0
_REPAIRED = 1
"""e2fsck's exit status when it has replayed or mended something."""
_SMALLEST = 4096


class LoopDisk:
    """An ext4 file system in a file, mounted at a place; use it as a context manager.

    Mounts are made in a namespace of this process and its children: whatever way it ends, the
    kernel unmounts, and lets go of the loop device.

    Args:
        image: the file; it takes only the room that is really written.
        place: an existing directory over which it is mounted.
        size_bytes: of the file system.
    """

    def __init__(self, image: Path, place: Path, size_bytes: int) -> None:
        self.image = image
        self.place = place
        self._size_bytes = size_bytes
        self._top = -1
        self._ballast = place / "ballast"

    @classmethod
    @contextmanager
    def made(cls, image: Path, place: Path, size_bytes: int) -> Iterator[LoopDisk]:
        """A fresh one, mounted; gone at the end."""
        _own_mounts()
        disk = cls(image, place, size_bytes)
        with image.open("wb") as file:
            file.truncate(size_bytes)
        try:
            # Nothing is kept back for root: full means full for everybody.
            _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
            disk.mount()
            (place / "lost+found").rmdir()
            yield disk
        finally:
            disk._force_off()
            image.unlink(missing_ok=True)

    def mount(self) -> None:
        """Mount it; the journal is replayed if it was not unmounted in order."""
        _run("mount", "-t", "ext4", "-o", _OPTIONS, str(self.image), str(self.place))
        self._top = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)

    def flush(self) -> None:
        """Make all durable that was written so far."""
        _run("sync", "-f", str(self.place))

    def cut(self) -> None:
        """Power is lost: from now on every write and flush fails, and what was not durable is gone.

        Takes about two milliseconds. Processes that have files open here get I/O errors.
        """
        fcntl.ioctl(self._top, _EXT4_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING_THE_JOURNAL))

    async def come_back(self) -> None:
        """After `cut`, and once nobody has files open here: check it, and mount it again.

        Raises:
            RuntimeError: somebody still uses it, or the file system itself is broken.
        """
        await self._unmount()
        await asyncio.to_thread(_run, "e2fsck", "-fp", str(self.image), worst=_REPAIRED)
        self.mount()

    def fill(self) -> int:
        """Take all room that is left; returns how many bytes that were."""
        descriptor = os.open(self._ballast, os.O_CREAT | os.O_WRONLY, 0o600)
        taken = before = os.fstat(descriptor).st_size
        try:
            step = 1 << 30
            while step >= _SMALLEST:
                try:
                    os.posix_fallocate(descriptor, taken, step)
                    taken += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2
        finally:
            os.close(descriptor)
        return taken - before

    def leave(self, size_bytes: int) -> None:
        """Take all room but this much."""
        self.fill()
        os.truncate(self._ballast, max(0, self._ballast.stat().st_size - size_bytes))

    def free(self) -> None:
        """Give back what `fill` took."""
        self._ballast.unlink(missing_ok=True)

    async def _unmount(self) -> None:
        self._close_top()
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _BUSY_S
        while True:
            said = _unmounted(self.place)
            if said is None:
                return
            if loop.time() > give_up:
                raise RuntimeError(f"cannot unmount: {said}")
            await asyncio.sleep(0.02)  # Nothing tells of the last file that is closed.

    def _force_off(self) -> None:
        self._close_top()
        if self.place.is_mount() and _unmounted(self.place) is not None:
            _run("umount", "--lazy", str(self.place))

    def _close_top(self) -> None:
        if self._top >= 0:
            os.close(self._top)
            self._top = -1


def why_no_loop_disks() -> str | None:
    """Why there can be none here; None when there can. It is tried out."""
    if os.geteuid() != 0:
        return "mounting needs root"
    with tempfile.TemporaryDirectory(prefix="smartops-disk-") as name:
        place = Path(name) / "place"
        place.mkdir()
        try:
            with LoopDisk.made(Path(name) / "image", place, 8 << 20) as disk:
                disk.cut()
        except (OSError, RuntimeError) as error:
            return f"no file system in a file can be made, mounted and shut down: {error}"
    return None


@cache
def _own_mounts() -> None:
    """From now on this thread and all that it starts have a table of mounts of their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    for failed, what in (
        (libc.unshare(_NEW_MOUNTS), "unshare"),
        (libc.mount(None, b"/", None, _PRIVATE | _RECURSIVE, None), "mount"),
    ):
        if failed:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")


def _unmounted(place: Path) -> str | None:
    """Unmount; why that did not work, None if it did."""
    try:
        _run("umount", str(place))
    except RuntimeError as error:
        return str(error)
    return None


def _run(*command: str, worst: int = 0) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise RuntimeError(f"{command[0]} is not installed") from error
    if done.returncode > worst:
        said = (done.stdout + done.stderr).strip()
        raise RuntimeError(f"{command[0]}: {said or done.returncode}")
