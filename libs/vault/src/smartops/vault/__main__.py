"""`python -m smartops.vault FOLDER`: make keys, or add a new one in front of those that are there.

Writes `vault.key` (for the tool gateway), `vault.pub` (for the planner) and, where there is none
yet, `pii.key` (for both). To rotate: run it, restart the gateways, restart the planners; a gateway
that starts puts what lies there under the new key. Then the last line of `vault.key` may go, and
with it all that old backups hold.
"""

from __future__ import annotations

import sys
from pathlib import Path

from smartops.vault.errors import VaultError
from smartops.vault.making import make_keys

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Do it; problems are told in a sentence."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m smartops.vault FOLDER\n")
        return 2
    try:
        make_keys(Path(arguments[0]))
    except (VaultError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
