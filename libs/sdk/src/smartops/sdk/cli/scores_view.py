"""Risk, quality and blast radius of an assessment, in words."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text
from smartops.contracts.wire import RiskLevel
from smartops.sdk.cli.taking import Line, Taken, plain, said, words
from smartops.sdk.cli.text import count, listing, one_line

__all__ = ["quality_lines", "radius_lines", "risk_lines"]

_GRAVE = frozenset({RiskLevel.HIGH.value, RiskLevel.CRITICAL.value})
_FEW = 3
"""Parts of the risk shown, unless all are asked for."""
_SOME = 5
"""Names in one list."""


def risk_lines(risk: Taken, *, full: bool) -> Iterator[Line]:
    """The score, its level, and the parts that weigh most."""
    level, numbers = risk.take("level", str), risk.numbers("score")
    if level is None or numbers is None:
        return
    text = Text(f"{numbers['score']} of 100, {one_line(level)}")
    text.stylize("bold red" if level in _GRAVE else "bold")
    if risk.take("canary_wanted", bool) and full:
        text.append("; a canary should go first", style="not bold default")
    batch = risk.numbers("suggested_batch_percent")
    if batch is not None:
        percent = batch["suggested_batch_percent"]
        text.append(f"; at most {percent} % at once are suggested", style="not bold default")
    yield "Risk", text
    weighed = sorted(_parts(risk.part("parts")), key=lambda part: -part[0])
    for share, points, name, why in weighed if full else weighed[:_FEW]:
        line = Text(f"{share:4.1f}  {words(name)}", style="default")
        score = f", {points} of 100" if full else ""
        yield "", line.append(f": {one_line(why)}{score}", style="dim")
    rest = weighed[_FEW:]
    if rest and not full:
        names = listing([words(part[2]) for part in rest], len(rest))
        yield "", Text(f"{sum(part[0] for part in rest):4.1f}  the rest: {names}", style="dim")


def _parts(parts: Taken) -> list[tuple[float, int, str, str]]:
    """Share of the score, points, name and reason of each part."""
    found = []
    for name, part in parts.items():
        match part:
            case {"points": int(points), "weight": int(weight), "why": str(why), **rest} if (
                not rest
            ):
                found.append((points * weight / 100, points, name, why))
            case _:
                found.append((100.0, 100, name, f"not understood: {plain(part, full=False)}"))
    return found


def quality_lines(quality: Taken, *, full: bool) -> Iterator[Line]:
    """The score by dimensions; what earned it only in full."""
    names = (
        "structural",
        "policy_compliance",
        "test_coverage",
        "operational_history",
        "human_review",
    )
    numbers = quality.numbers("total", *names)
    if numbers is None:
        return
    each = ", ".join(f"{words(name)} {numbers[name]}" for name in names)
    text = Text(f"{numbers['total']} of 100", style="bold")
    yield "Quality", text.append(f"; of 20 each: {each}", style="not bold")
    for name, points in quality.part("points").items():
        if not isinstance(points, list):
            yield "", Text(f"{words(name)}: not understood", style="yellow")
        elif full:
            yield "", Text(f"{words(name)}: {'; '.join(map(said, points))}", style="dim")


def radius_lines(radius: Taken) -> Iterator[Line]:
    """How far it reaches, and what is bad about that."""
    numbers = radius.numbers(
        "changed_assets",
        "reachable_assets",
        "total_assets",
        "percent",
        "largest_phase",
        "writes",
        "irreversible_writes",
        "unknown_assets",
    )
    if numbers is None:
        return
    changed, reach = numbers["changed_assets"], numbers["reachable_assets"]
    by_inventory = radius.take("total_by_inventory", bool)
    environment, scope = radius.take("environment", str), radius.take("scope", str)
    critical, unbounded = radius.take("critical_assets", list), radius.take("unbounded_tools", list)
    if not changed:
        yield "Blast radius", Text("none: nothing is changed")
        return
    whole = f"{changed} of {numbers['total_assets']} assets ({numbers['percent']}%)"
    if not by_inventory:
        whole = f"{count(changed, 'asset')}; how many there are, nothing in the log says"
    told = [whole, f"in {one_line(environment or 'no known environment')}"]
    if reach > changed:
        told.append(f"calls can reach {reach}")
    told.append(f"at most {numbers['largest_phase']} in one phase")
    told.append(count(numbers["writes"], "write"))
    if scope is not None and scope != "asset":
        told.append(f"tools reach the whole {one_line(scope)}")
    yield "Blast radius", Text(", ".join(told))
    lost = numbers["irreversible_writes"]
    if lost:
        yield "", Text(f"{count(lost, 'write')} CANNOT be taken back", style="bold red")
    if critical:
        yield "", Text(f"critical: {listing(list(map(said, critical)), _SOME)}", style="bold red")
    if numbers["unknown_assets"]:
        unknown = count(numbers["unknown_assets"], "asset")
        yield "", Text(f"what depends on {unknown} is not known", style="dim")
    if unbounded:
        names = listing(list(map(said, unbounded)), _SOME)
        yield "", Text(f"{names} do not say how far one call reaches", style="bold red")
