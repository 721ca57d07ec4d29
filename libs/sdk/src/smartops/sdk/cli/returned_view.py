"""Why a plan is before people once more, and what its run has done, in words."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from smartops.sdk.cli.taking import Line, Taken, plain, said
from smartops.sdk.cli.text import listing, one_line
from smartops.sdk.short_id import short

__all__ = ["returned_lines"]

_SOME = 5
"""Steps shown, unless all are asked for."""


def returned_lines(returned: Taken, *, full: bool) -> Iterator[Line]:
    """Labels and values of the part `returned` of an assessment; nothing where there is none."""
    run, withheld = returned.take("run", str), returned.take("withheld", list)
    numbers = returned.numbers("grant", "steps", "applied")
    if run is None or withheld is None or numbers is None:
        return
    done, steps = returned.take("applied_steps", list) or [], numbers["steps"]
    label = "Came back"
    for one in withheld if full else withheld[:_SOME]:
        match one:
            case {
                "step": str(step), "tool": str(tool), "target": str(target),
                "reasons": list(reasons), **rest,
            } if not rest:  # fmt: skip
                text = Text(f"policy denied {one_line(step)}", style="bold red")
                text.append(f" ({one_line(tool)} on {one_line(target)})", style="not bold")
                yield label, text
                yield from (("", _reason(reason)) for reason in reasons)
            case _:
                yield label, Text(f"not understood: {plain(one, full=full)}", style="yellow")
        label = ""
    if len(withheld) > _SOME and not full:
        yield "", Text(f"and {len(withheld) - _SOME} more", style="dim")
    names = listing([said(one) for one in done], len(done) if full else _SOME)
    listed = f": {names}" if done else ""
    yield "Already done", Text(f"{numbers['applied']} of {steps} steps{listed}")
    by = [said(one) for one in returned.take("granted_by", list) or []]
    granted = f"grant {numbers['grant']}, by {listing(by) or 'policy'}, holds no more"
    run_text = Text(f"{granted}; approved, run {one_line(short(run))} goes on where it stands")
    yield "", run_text.append(", rejected, it is taken back")


def _reason(reason: object) -> Text:
    match reason:
        case {"rule": str(rule), "message": str(message), **rest} if not rest:
            return Text(one_line(message)).append(f" ({one_line(rule)})", style="dim")
        case _:
            return Text(f"not understood: {plain(reason, full=False)}", style="yellow")
