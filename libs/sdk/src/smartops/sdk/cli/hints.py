"""What to do next after an error: advice that only the command line can give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smartops.sdk.errors import Refused, SdkError

if TYPE_CHECKING:
    from smartops.sdk.cli.session import Session

__all__ = ["hint"]

_SOMEBODY_ELSE = frozenset({"four_eyes", "forbidden", "unmapped"})

_ADVICE = {
    "stale": "The plan has changed since it was shown. Run the command again to see the new one.",
    "decided": "The first decision counts. `{task}` shows it.",
    "not_paused": "Only a paused task can be resumed. `{task}` shows where it stands.",
    "stopping": "Try again in a moment, or follow it: `{watch}`.",
    "no_grant": "Its grant was taken back, so it cannot go on: `{cancel}`.",
    "rolling_back": "Only an emergency stop ends a rollback: `{halt}`.",
    "halted": "After a halt nothing can be taken back: add --keep-changes.",
    "not_running": "`{task}` shows where it stands.",
    "ended": "`{task}` shows how.",
    "may_still_send": "Restart the tool gateway: then its process has ended. Or have an approver "
    "accept a possible double: --accept-double.",
    "being_settled": "`{call}` shows what it waits for.",
    "expired": "Submit the intent again for a new plan.",
}


def hint(error: SdkError, session: Session) -> str:
    """Advice on an error; empty when the error's own words say it all."""
    if not isinstance(error, Refused):
        return ""
    if error.code in _SOMEBODY_ELSE:
        other = "approver" if session.options.identity != "approver" else "NAME"
        return (
            f"You acted as {session.options.identity!r}. Somebody else must do this: add "
            f"`--as {other}` if those credentials are yours to use."
        )
    about = session.about
    advice = _ADVICE.get(error.code, "")
    return advice.format(
        task=session.command("task", about),
        call=session.command("call", "list", "--uncertain"),
        watch=session.command("watch", about),
        cancel=session.command("cancel", about, "--reason", "..."),
        halt=session.command("halt", about, "--reason", "..."),
    )
