"""`python -m smartops.audit [verify | rebuild | rewound]`: settings, telemetry, app, run."""

from __future__ import annotations

import argparse
import contextlib
import sys

import uvloop
from smartops.audit.app import run
from smartops.audit.commands import check_read_models, rebuild_read_models, verify_log
from smartops.audit.rewinding import note_rewind
from smartops.audit.settings import AuditSettings


def main() -> int:
    """Run the service, or one of its commands."""
    parser = argparse.ArgumentParser(prog="python -m smartops.audit", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    verify = commands.add_parser("verify", help="check the log from its first event")
    verify.add_argument("--tenant", help="only this one")
    rebuild = commands.add_parser("rebuild", help="make the read models anew from the log")
    rebuild.add_argument("--check", action="store_true", help="only compare; changes nothing")
    rewound = commands.add_parser(
        "rewound", help="say that the log was restored to an earlier point on purpose"
    )
    rewound.add_argument("--to", type=int, metavar="POSITION", help="default: where it ends now")
    rewound.add_argument("--by", required=True, metavar="NAME", help="who says so; goes on record")
    arguments = parser.parse_args()
    settings = AuditSettings()
    match arguments.command:
        case "verify":
            return uvloop.run(verify_log(settings, arguments.tenant))
        case "rebuild" if arguments.check:
            return uvloop.run(check_read_models(settings))
        case "rebuild":
            return uvloop.run(rebuild_read_models(settings))
        case "rewound":
            return uvloop.run(note_rewind(settings, arguments.to, arguments.by))
        case _:
            with contextlib.suppress(KeyboardInterrupt):
                uvloop.run(run(settings))
            return 0


if __name__ == "__main__":
    sys.exit(main())
