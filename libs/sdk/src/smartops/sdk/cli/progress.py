"""Live progress: the lines of a task as its events come, with what goes on right now beneath.

    with Progress(console) as progress:
        async for event in client.watch(task):
            await progress.show(event, client)

On a terminal the last line moves; elsewhere only facts are printed, one line each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from rich.console import Console, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text
from smartops.sdk.cli.card_view import phases_table, render_card
from smartops.sdk.cli.narration import Attachment, Line, Mark, Narrator, narrate
from smartops.sdk.errors import NotFound, SdkError
from smartops.sdk.event import Event
from smartops.sdk.plan_card import PlanCard

__all__ = ["Attachment", "Cards", "Line", "Mark", "Narrator", "Progress", "narrate"]

_INDENT = 10
"""Columns of time and mark, left of the words."""
_WORD = 12

_STYLES: dict[Mark, tuple[str, str]] = {
    Mark.INFO: ("·", "dim"),
    Mark.GOOD: ("✓", "green"),
    Mark.WAIT: ("?", "yellow"),
    Mark.WARN: ("!", "yellow"),
    Mark.BAD: ("✗", "red"),
    Mark.UNDO: ("↩", "magenta"),
}
_PLAIN = {"✓": "+", "✗": "x", "↩": "<", "·": "-"}
"""For encodings that lack the signs."""


class Cards(Protocol):
    """Where plan cards come from: a client."""

    async def card(self, task: UUID, plan_hash: str | None = None) -> PlanCard:
        """The verified card of a plan."""
        ...


class Progress:
    """Shows one task.

    Args:
        console: where to.
        zone: for the times; None: the local one.
        hint: makes the line that is shown below a card that waits for a decision.
    """

    def __init__(
        self,
        console: Console,
        *,
        zone: tzinfo | None = None,
        hint: Callable[[PlanCard], str] | None = None,
    ) -> None:
        self._console = console
        self._zone = zone
        self._hint = hint
        self._narrator = Narrator()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Hold the moving line still, for a question to the person."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    async def show(self, event: Event, cards: Cards | None = None) -> None:
        """Show what an event adds.

        Args:
            event: the next one.
            cards: to fetch plan and card from; None leaves them out.
        """
        for line in self._narrator.tell(event):
            self._console.print(self.render(line), soft_wrap=not self._console.is_terminal)
            if line.attachment is not None and event.task is not None and cards is not None:
                await self._attach(event.task, line.attachment, cards.card)
        if self._live is not None:
            self._live.update(self._now())

    def render(self, line: Line) -> RenderableType:
        """A line as it is printed; long ones are indented below their words."""
        sign, style = _STYLES[line.mark]
        if not _can_show(self._console, sign):
            sign = _PLAIN[sign]
        head = Text(f"{line.time.astimezone(self._zone):%H:%M:%S} ", style="dim")
        head.append(sign, style=style)
        strong = line.mark in (Mark.GOOD, Mark.BAD, Mark.UNDO, Mark.WAIT)
        head.append(f" {line.word:<{_WORD}} ", style=style if strong else "bold")
        return _hanging(head, Text(line.text), self._console)

    async def _attach(
        self,
        task: UUID,
        attachment: Attachment,
        fetch: Callable[[UUID, str], Awaitable[PlanCard]],
    ) -> None:
        try:
            card = await fetch(task, attachment.plan_hash)
        except NotFound:
            return  # The projection is far behind; the card can be had by `smartops approve`.
        except SdkError as error:
            self._console.print(
                Padding(Text(str(error), style="bold red"), (0, 0, 0, _INDENT), expand=False)
            )
            return
        if attachment.kind == "card":
            self._console.print(render_card(card, self._console))
            if self._hint is not None:
                hint = Text(" " * _INDENT + self._hint(card), style="bold")
                self._console.print(hint, soft_wrap=True)
        else:
            self._console.print(Padding(phases_table(card), (0, 0, 0, _INDENT), expand=False))

    def _now(self) -> RenderableType:
        status = self._narrator.status
        return Spinner("dots", Text(status, style="dim")) if status else Text("")

    def _start(self) -> None:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                self._now(), console=self._console, transient=True, refresh_per_second=8
            )
            self._live.start()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()


def _hanging(head: Text, body: Text, console: Console) -> RenderableType:
    """Head and body; on a terminal, what does not fit goes below the body's beginning."""
    if not console.is_terminal:
        return head + body
    width = max(20, console.width - head.cell_len)
    lines = body.wrap(console, width)
    indent = "\n" + " " * head.cell_len
    return head + Text(indent).join(lines)


def _can_show(console: Console, sign: str) -> bool:
    try:
        sign.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
