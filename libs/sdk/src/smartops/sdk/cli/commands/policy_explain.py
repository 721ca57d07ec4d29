"""`policy explain`: why something was allowed or denied, and whether it would be again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.session import Session, run

if TYPE_CHECKING:
    from smartops.sdk.reader import Reader, Row

__all__ = ["explain"]


def explain(
    context: typer.Context,
    *,
    about: Annotated[
        str, typer.Argument(metavar="TASK|CALL", help="Its id, or its first characters.")
    ],
    with_input: Annotated[
        bool, typer.Option("--input", help="Also what policy was asked, in full.")
    ] = False,
) -> None:
    """Tell why something was allowed or denied, and decide it again as it was decided then.

    Each decision is made anew by the bundle that it names, on the input that was recorded, and
    compared with what was recorded. Exit code 1 if one comes out otherwise.

    Examples:
      smartops policy explain 909a8a1c
      smartops --json policy explain 909a8a1c | jq '.[].rules'
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await _about(reader, about)
            told = await _recomputed(reader, rows)
        if session.json:
            session.data([_document(row, one, with_input=with_input) for row, one in told])
        elif not told:
            session.show("Policy was not asked about it.")
        else:
            for row, one in told:
                _tell(session, row, one, with_input=with_input)
        return Exit.FAILURE if any(one.get("agrees") is False for _, one in told) else Exit.OK

    run(context, action)


async def _about(reader: Reader, text: str) -> list[Row]:
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - the same

    # A whole id is taken for a task's without a look, so it is looked for.
    try:
        task = await reader.find_task(text)
        await reader.task(task)
    except NotFound:
        try:
            row = await reader.call(await reader.find_call(text))
        except NotFound:
            raise NotFound(
                f"no task and no call begins with {text!r}. `smartops tasks` and "
                "`smartops call list` list them."
            ) from None
        return await reader.decisions_about(task=row["task"], call=row["call"])
    return await reader.decisions_about(task=task)


async def _recomputed(reader: Reader, rows: list[Row]) -> list[tuple[Row, dict[str, Any]]]:
    """Each decision, and what the bundle that it names says now; empty where nobody can know."""
    from smartops.sdk.replaying import differs, verified  # noqa: PLC0415 - the same
    from smartops.sdk.second_engine import SecondEngine  # noqa: PLC0415 - the same

    bundles = {row["digest"]: row["document"] for row in await reader.bundles()}
    said: dict[tuple[int, int], dict[str, Any]] = {}
    for digest in {row["bundle"] for row in rows if bundles.get(row["bundle"]) is not None}:
        own = [row for row in rows if row["bundle"] == digest and row["input_digest"] is not None]
        async with SecondEngine() as engine:
            await engine.load(document=bytes(bundles[digest]).decode())
            questions = [(row["entrypoint"], verified(row)) for row in own]
            for row, verdict in zip(own, await engine.decide(questions), strict=True):
                said[row["position"], row["ordinal"]] = {
                    "agrees": differs(row, verdict) is None
                    and tuple(row["rules"]) == verdict.rules,
                    "messages": [
                        {"rule": rule, "message": message} for rule, message in verdict.messages
                    ],
                }
    return [(row, said.get((row["position"], row["ordinal"]), {})) for row in rows]


def _document(row: Row, one: dict[str, Any], *, with_input: bool) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name != "input" or with_input}
    return kept | {"recomputed": one or None}


def _tell(session: Session, row: Row, one: dict[str, Any], *, with_input: bool) -> None:
    from smartops.sdk.cli.tables import facts  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import one_line  # noqa: PLC0415 - the same

    outcome = "denied"
    if row["allow"]:
        asks = row["requires_approval"] and row["entrypoint"] in ("plan", "gate")
        outcome = "allowed, once people agree" if asks else "allowed"
    words = {True: "the same", False: "OTHERWISE: engine or bundle are not what they were"}
    said = [f"{each['rule']}: {each['message']}" for each in one.get("messages", ())]
    heads = ["Because", *[""] * len(said)]
    session.show(
        facts(
            [
                (row["entrypoint"], f"{outcome} at {row['recorded_at']:%H:%M:%S}, {row['topic']}"),
                ("Call", str(row["call"]) if row["call"] else None),
                *zip(heads, map(one_line, said or row["rules"]), strict=False),
                ("Who", f"{row['quorum']} of {', '.join(row['roles'])}" if row["roles"] else None),
                ("Bundle", row["bundle"]),
                ("Engine", " ".join(filter(None, (row["engine"], row["engine_version"])))),
                ("Input", row["input_digest"] or "not kept: it cannot be decided again"),
                ("Again", words.get(one["agrees"]) if one else None),
                ("Asked", bytes(row["input"]).decode() if with_input and row["input"] else None),
            ]
        ),
        "",
    )
