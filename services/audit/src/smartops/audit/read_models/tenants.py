"""Tenants: how far each one's chain has been verified."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from smartops.audit.read_models.model import ReadModel

__all__ = ["TENANTS", "TenantRow"]


class TenantRow(NamedTuple):
    """One tenant; also where the verification of its chain goes on."""

    tenant: str
    first_seen: datetime
    events: int
    verified_position: int
    verified_hash: bytes


TENANTS = ReadModel("tenants", TenantRow, key=1)
