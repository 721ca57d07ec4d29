"""Tools for backups: jobs that take their time, within one call."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from smartops.contracts.wire import Category, Idempotence, Risk, TargetName
from smartops.tool_gateway.ports import Driver
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor

__all__ = ["backup_tools"]

Label = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class OneBackup(Arguments):
    """Of which server, under which label."""

    asset: TargetName
    label: Label


class Backup(Output):
    """What is known of a backup."""

    server: str
    label: str
    state: Literal["running", "done"]
    percent: int


class Deleted(Output):
    """Whether there was anything to delete."""

    server: str
    label: str
    deleted: bool


def backup_tools(driver: Driver, hosts: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """All tools of the backups, carried out by one driver."""
    read = descriptor(
        "get_backup",
        "Shows a backup, and how far it is.",
        OneBackup,
        Backup,
        category=Category.READ,
        risk=Risk.READ_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
        egress=hosts,
    )
    write = descriptor(
        "run_backup",
        "Backs a server up and waits until that is done, which may take minutes.",
        OneBackup,
        Backup,
        category=Category.REVERSIBLE,
        risk=Risk.STATE_CHANGE_PROD,
        idempotence=Idempotence.IDEMPOTENT,
        timeout_ms=900_000,
        undo_tool="delete_backup",
        blast_radius=1,
        concurrency=4,
        egress=hosts,
    )
    undo = descriptor(
        "delete_backup",
        "Deletes a backup, also one that is still being made. Twice is as once.",
        OneBackup,
        Deleted,
        category=Category.IRREVERSIBLE,
        risk=Risk.STATE_CHANGE_PROD,
        idempotence=Idempotence.IDEMPOTENT,
        blast_radius=1,
        egress=hosts,
    )
    return (
        Tool(read, OneBackup, Backup, driver),
        Tool(write, OneBackup, Backup, driver),
        Tool(undo, OneBackup, Deleted, driver),
    )
