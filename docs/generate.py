# ruff: noqa: INP001 - a script, not a package
"""Fill the generated parts of the documentation from the code: `docs/generate.py [--check]`.

A generated part stands between two comments and is replaced as a whole:

    <!-- generated: topics -->
    ...
    <!-- end of generated -->

With `--check` nothing is written; the exit code is 1 if a page is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from blocks import catalogue, commandline, messages, rights, scores, settings, streams, tools, views

ROOT = Path(__file__).resolve().parent.parent

BLOCKS: Mapping[str, Callable[[], str]] = {
    "events": catalogue.events,
    "reserved events": catalogue.reserved_events,
    "commands": catalogue.commands,
    "reserved commands": catalogue.reserved_commands,
    "handlers": catalogue.handlers,
    "event fields": messages.event_fields,
    "command fields": messages.command_fields,
    "value types": messages.value_types,
    "streams": streams.streams,
    "durables": streams.durables,
    "command line": commandline.pages,
    "bus rights": rights.bus,
    "stream categories": rights.categories,
    "database functions": rights.functions,
    "vault functions": rights.vault_functions,
    "tools": tools.tools,
    "tool terms": tools.terms,
    "views": views.tables,
    "risk": scores.risk_parts,
    "risk levels": scores.levels,
    "quality": scores.quality_points,
    "autonomy": scores.autonomy,
    "common settings": settings.common,
    **{f"settings of {name}": settings.of(name) for name in settings.SERVICES},
    **{f"traffic of {name}": catalogue.traffic_of(name) for name in catalogue.SERVICES},
}

_PART = re.compile(
    r"(?P<head><!-- generated: (?P<name>[a-z_ ]+) -->\n)"
    r".*?"
    r"(?P<tail><!-- end of generated -->)",
    re.DOTALL,
)


def pages() -> list[Path]:
    """Every page that may hold generated parts."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("services/*/README.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(found)


def filled(text: str) -> str:
    """A page with its generated parts as the code has them now.

    Raises:
        KeyError: a part names a block that there is not.
    """

    def fill(match: re.Match[str]) -> str:
        return f"{match['head']}{BLOCKS[match['name']]().rstrip()}\n{match['tail']}"

    return _PART.sub(fill, text)


def stale() -> list[Path]:
    """The pages whose generated parts are not what the code says."""
    return [page for page in pages() if filled(page.read_text("utf-8")) != page.read_text("utf-8")]


def main(arguments: list[str]) -> int:
    """Write the pages, or check them."""
    changed = stale()
    for page in changed:
        if "--check" not in arguments:
            page.write_text(filled(page.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{page.relative_to(ROOT)}\n")
    if changed and "--check" in arguments:
        sys.stderr.write("These pages are stale: run .venv/bin/python docs/generate.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
