"""A plan card on the terminal: all that decides, in words, from the verified bytes alone."""

from __future__ import annotations

from datetime import timedelta

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from smartops.contracts.plan import Phase, PlanHeader, Requester
from smartops.contracts.watching import tick_ms, window_ms
from smartops.contracts.wire import (
    ERROR_LIMIT,
    INCONCLUSIVE_LIMIT,
    Category,
    Check,
    Environment,
    JsonObject,
)
from smartops.sdk.cli.assessment_view import assessment_facts, value_text
from smartops.sdk.cli.diff_view import differing
from smartops.sdk.cli.people import who
from smartops.sdk.cli.text import clip, count, duration, harmless, listing, one_line
from smartops.sdk.plan_card import Action, PlanCard
from smartops.sdk.short_id import short

__all__ = ["phases_table", "render_card"]

_SHORT = 120
"""Longest value on a card, in characters, unless all is asked for."""
_FEW = 5
"""Targets and steps listed, unless all are asked for."""
_ALL = 10**9
_DIFFERENCES = 8
"""Lines of what differs from the plan before, unless all are asked for."""


def render_card(card: PlanCard, console: Console, *, full: bool = False) -> RenderableType:
    """The card, in a frame on terminals and between dashes elsewhere."""
    header = card.plan.header
    title = f"Plan {header.number} of task {short(header.task)}"
    body = Group(_facts(card, full=full), "", phases_table(card, full=full), "", _seals(card))
    if not console.is_terminal:
        return Group(Text(f"--- {title} ---"), body, Text("---"))
    grave = header.environment is Environment.PRODUCTION
    border = "yellow" if grave else "blue"
    return Panel(
        body, title=title, title_align="left", border_style=border, box=box.ROUNDED, padding=(1, 1)
    )


def phases_table(card: PlanCard, *, full: bool = False) -> RenderableType:
    """The phases: what is done where, what is watched, when it is taken back."""
    table, above = _grid(), ""
    for number, phase in enumerate(card.plan.header.phases, 1):
        actions = card.actions_of(phase)
        alike = _likeness(phase, actions)
        lines = [_pace(phase, len(phase.steps))]
        if alike == above and not full:
            lines += [Text(f"the same on {listing(one.targets, _FEW)}") for one in actions]
        else:
            lines += [_action(action, full=full) for action in actions]
            lines += [Text(f"watch  {_check(check)}") for check in phase.checks]
            if phase.rollback_if:
                lines.append(Text(f"back   if {_condition(phase)}"))
            lines += [Text(f"time   {told}") for told in _times(phase)]
        above = alike
        table.add_row(f"{number} {one_line(phase.name)}", Group(*lines))
    return table


def _facts(card: PlanCard, *, full: bool) -> Table:
    header, table = card.plan.header, _grid()
    for label, value in (
        ("Summary", Text(harmless(header.summary), style="bold")),
        ("Goal", Text(harmless(header.goal)) if header.goal != header.summary else None),
        ("Environment", _grave(header.environment.value, Environment.PRODUCTION.value)),
        ("Asked by", Text(_person(header.requester))),
        ("Edited by", Text(_person(header.editor)) if header.editor is not None else None),
        ("Differs", Text(_differs(card, full=full)) if card.before is not None else None),
        ("Planned by", Text(f"{header.agent.name} {header.agent.version}, {header.type}")),
        ("Reach", Text(_reach(card))),
        ("Undo", _undo(card, full=full)),
        ("Evidence", Text(_evidence(card, full=full))),
        ("Time", Text(_run_time(header))),
        ("Must still hold", Text(_preconditions(card)) if header.preconditions else None),
    ):
        if value is not None:
            table.add_row(label, value)
    for label, value in assessment_facts(card.assessment, full=full):
        table.add_row(label, value if full else _cut(value))
    return table


def _differs(card: PlanCard, *, full: bool) -> str:
    """What is done otherwise than in the plan before, first of all for who has seen that one."""
    if card.before is None:
        return ""
    lines = differing(card.before, card.plan, most=_ALL if full else _FEW)
    shown = lines if full else lines[:_DIFFERENCES]
    more = [f"and {len(lines) - len(shown)} more: --full"] if len(lines) > len(shown) else []
    return "\n".join([f"from plan {card.before.header.number}:", *shown, *more])


def _seals(card: PlanCard) -> Text:
    # Without `sha256:`, so that a digest fits on a line of 80 columns.
    text = Text("What is decided on, by SHA-256:\n", style="dim")
    text.append(f"{'plan':<11}{card.plan_hash.removeprefix('sha256:')}\n")
    text.append(f"{'assessment':<11}{card.assessment_hash.removeprefix('sha256:')}")
    return text


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=15)
    table.add_column(overflow="fold")
    return table


def _grave(value: str, grave: str) -> Text:
    return Text(value, style="bold red" if value == grave else "")


def _person(person: Requester) -> str:
    return f"{who(person.principal)}, known by {one_line(person.authtype)} credentials"


def _reach(card: PlanCard) -> str:
    steps, targets = card.plan.steps, card.plan.targets()
    return f"{count(len(steps), 'step')} on {count(len(targets), 'target')}"


def _undo(card: PlanCard, *, full: bool) -> Text:
    lost = card.not_undoable
    if all(step.category is Category.READ for step in card.plan.steps):
        return Text("nothing is changed")
    if not lost:
        return Text("every change can be taken back", style="green")
    steps = listing([step.id for step in lost], _ALL if full else _FEW)
    return Text(
        f"{len(lost)} of {count(len(card.plan.steps), 'step')} CANNOT be taken back: {steps}",
        style="bold red",
    )


def _evidence(card: PlanCard, *, full: bool) -> str:
    evidence = card.plan.header.evidence
    if not evidence:
        return "none"
    shown = [digest if full else digest[: len("sha256:") + 12] for digest in evidence]
    return f"{count(len(evidence), 'snapshot')}: {listing(shown, _ALL if full else _FEW)}"


def _preconditions(card: PlanCard) -> str:
    held = [f"{one.tool}({_arguments(one.arguments)})" for one in card.plan.header.preconditions]
    return f"what was seen by {listing(held, _FEW)}"


def _likeness(phase: Phase, actions: tuple[Action, ...]) -> str:
    """What two phases share that differ in nothing but their targets."""
    deeds = [(one.tool, one.version, one.category, one.arguments, one.undo) for one in actions]
    rules = phase.model_copy(update={"name": "", "steps": ()})
    return repr((deeds, rules))


def _condition(phase: Phase) -> str:
    condition = one_line(phase.rollback_if)
    if phase.checks:
        return condition
    return f"{condition}, for {_span(window_ms(phase))}, every {_span(tick_ms(phase))}"


def _times(phase: Phase) -> list[str]:
    told = []
    if phase.maintenance is not None:
        told.append(f"changes only from {phase.maintenance}")
    if phase.timeout_ms is not None:
        told.append(f"at most {_span(phase.timeout_ms)}, then {_OVERDUE[phase.on_timeout]}")
    return told


_OVERDUE = {"pause": "it pauses", "roll_back": "it rolls back"}


def _run_time(header: PlanHeader) -> str:
    most = f"at most {_span(header.max_run_ms)}, then {_OVERDUE[header.on_timeout]}"
    back = f"{_span(header.rollback_timeout_ms)} for taking back"
    window = f"; changes only from {header.maintenance}" if header.maintenance else ""
    return f"{most}; {back}{window}"


def _pace(phase: Phase, steps: int) -> Text:
    if steps == 1:
        pace = "1 step"
    elif phase.order == "sequential":
        pace = f"{steps} steps, one after the other"
    else:
        pace = f"{steps} steps, up to {phase.parallelism} at once"
    wait = f", then {_span(phase.wait_ms)} before the first look" if phase.wait_ms else ""
    batch = f", in batches of {phase.batch}" if phase.batch is not None else ""
    return Text(pace + batch + wait, style="dim")


def _action(action: Action, *, full: bool) -> Text:
    text = Text(f"{action.tool} ", style="bold")
    text.append(_clipped(_arguments(action.arguments), full=full), style="not bold")
    text.append(f" on {listing(action.targets, _ALL if full else _FEW)}", style="not bold")
    if action.category is Category.IRREVERSIBLE:
        text.append(" irreversible", style="bold red")
    elif action.category is Category.READ:
        text.append(" read only", style="not bold dim")
    if action.undo is not None:
        undo = f"{action.undo.tool} {_clipped(_arguments(action.undo.arguments), full=full)}"
        text.append(f"\n  undo {undo}", style="not bold dim")
    return text


def _check(check: Check) -> str:
    what = check.target if check.type == "http_200" else check.threshold or ""
    named = check.type
    if check.query is not None:
        named = f"{check.name} = {one_line(check.query)}"
    patience = f", {_span(check.timeout_ms)} per sample" if check.timeout_ms is not None else ""
    limits = [f"{check.failure_limit} failed"] if check.failure_limit else []
    if check.inconclusive_limit != INCONCLUSIVE_LIMIT:
        limits.append(f"{check.inconclusive_limit} without a number in a row")
    if check.consecutive_error_limit != ERROR_LIMIT:
        limits.append(f"{check.consecutive_error_limit} errors in a row")
    forgiven = f", forgiven: {', '.join(limits)}" if limits else ""
    return (
        f"{named} {one_line(what)} for {_span(check.window_ms)}, "
        f"every {_span(check.interval_ms)}{patience}{forgiven}"
    )


def _arguments(arguments: JsonObject) -> str:
    return ", ".join(f"{one_line(key)}={value_text(value)}" for key, value in arguments.items())


def _cut(text: Text) -> Text:
    cut = text.copy()
    cut.truncate(4 * _SHORT, overflow="ellipsis")
    return cut


def _clipped(text: str, *, full: bool) -> str:
    return text if full else clip(text, _SHORT)


def _span(milliseconds: int) -> str:
    return duration(timedelta(milliseconds=milliseconds))
