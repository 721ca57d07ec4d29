"""A secret that is really there, and bound to one tool: what others try to have told to theirs."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["HELD", "hold_secret"]

HELD = "fleet_token"
"""Its name."""

_TOOL = "restart_server"
"""The one that may be told it; a write, so that no look may."""


def hold_secret(home: Path, tenant: str) -> dict[str, str]:
    """Put it in a folder of this home; what the gateway is to be started with."""
    folder = home / "held"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HELD).write_text("held for one tool alone")
    bound = {HELD: {"tenants": [tenant], "tools": [_TOOL]}}
    return {
        "SMARTOPS_SECRETS_DIR": str(folder),
        "SMARTOPS_SECRET_BINDINGS": json.dumps(bound),
    }
