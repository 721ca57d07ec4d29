"""Tools for values of a configuration store: read, set if unchanged, put back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from smartops.contracts.wire import Category, Idempotence, Risk, TargetName
from smartops.tool_gateway.ports import Driver
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor

__all__ = ["config_tools"]

Revision = Annotated[int, Field(ge=1, le=2**53 - 1)]
Value = Annotated[str, Field(min_length=1, max_length=2000)]


class GetConfigValue(Arguments):
    """Which setting, by its key."""

    asset: TargetName


class ConfigValue(Output):
    """What it is, and since how many changes."""

    key: str
    value: str
    revision: int


class SetConfigValue(Arguments):
    """Which value for which setting, and the revision that it was seen in."""

    asset: TargetName
    value: Value
    expected_revision: Revision


class RestoreConfigValue(Arguments):
    """The value to put back, and the revision that the one change was made of."""

    asset: TargetName
    value: Value
    expected_revision: Revision


def config_tools(driver: Driver, hosts: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """All tools of the configuration store, carried out by one driver."""
    read = descriptor(
        "get_config_value",
        "Shows a setting with its revision.",
        GetConfigValue,
        ConfigValue,
        category=Category.READ,
        risk=Risk.READ_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
        egress=hosts,
    )
    write = descriptor(
        "set_config_value",
        "Changes a setting that still has the revision it was seen in. Keeps no keys: after a lost "
        "answer it is read back.",
        SetConfigValue,
        ConfigValue,
        category=Category.REVERSIBLE,
        risk=Risk.STATE_CHANGE_PROD,
        idempotence=Idempotence.PROBEABLE,
        undo_tool="restore_config_value",
        before="get_config_value",
        probe="get_config_value",
        compare_and_set=True,
        blast_radius=1,
        egress=hosts,
    )
    undo = descriptor(
        "restore_config_value",
        "Takes the one change of a revision back; refused if there was another since. Twice is as "
        "once.",
        RestoreConfigValue,
        ConfigValue,
        category=Category.IRREVERSIBLE,
        risk=Risk.STATE_CHANGE_PROD,
        idempotence=Idempotence.IDEMPOTENT,
        blast_radius=1,
        egress=hosts,
    )
    return (
        Tool(read, GetConfigValue, ConfigValue, driver),
        Tool(write, SetConfigValue, ConfigValue, driver),
        Tool(undo, RestoreConfigValue, ConfigValue, driver),
    )
