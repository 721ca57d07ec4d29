"""Loading a bundle beside other work: in turns, and held to the same cases."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from smartops.policy_engine import (
    Bundle,
    BundleRefused,
    RegorusEngine,
    at_once,
    default_bundle_path,
    in_slices,
    loading_engine,
)
from smartops.policy_engine.cases import questions
from support.policy_documents import bundle_with

SHIPPED = Bundle.read(default_bundle_path())


@contextlib.asynccontextmanager
async def counting() -> AsyncIterator[list[None]]:
    """Somebody else's work: as many entries as turns it got."""
    turns: list[None] = []

    async def work() -> None:
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    other = asyncio.create_task(work())
    try:
        yield turns
    finally:
        other.cancel()


async def test_all_else_gets_its_turn_while_a_bundle_loads() -> None:
    """After each module and each case: no piece is as long as the whole."""
    async with counting() as turns:
        await in_slices(loading_engine(SHIPPED), slice_s=0)
    pieces = len(list(SHIPPED.modules())) + len(list(questions(SHIPPED)))
    assert len(turns) >= pieces


async def test_a_bundle_that_disagrees_with_its_cases_is_refused_in_slices_too() -> None:
    cases = SHIPPED.text("gate.cases.json").replace('"gate.auto.reads_only"', '"gate.auto.other"')
    with pytest.raises(BundleRefused, match=r"gate.cases.json: reads go, whatever"):
        await in_slices(loading_engine(bundle_with(gate__cases__json=cases)))


async def test_an_engine_loaded_in_slices_decides_as_one_loaded_at_once() -> None:
    sliced = await in_slices(loading_engine(SHIPPED))
    bare = RegorusEngine(bundle_with(without=".cases.json"))
    asked = list(questions(SHIPPED))[::10]
    for one in asked:
        said, known = (engine.decide(one.entrypoint, one.document) for engine in (sliced, bare))
        assert (said.allow, said.rules, said.roles) == (known.allow, known.rules, known.roles)
    assert sliced.bundle_digest == SHIPPED.digest


async def test_who_gives_up_gets_no_engine() -> None:
    loading = loading_engine(SHIPPED)
    task = asyncio.create_task(in_slices(loading, slice_s=0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    loading.close()


def test_at_once_returns_what_was_loaded_and_raises_what_was_raised() -> None:
    assert at_once(RegorusEngine.loading(bundle_with(without=".cases.json"))).name == "regorus"
    with pytest.raises(BundleRefused):
        at_once(loading_engine(Bundle({"a.rego": b"package a\n\nx := http.send({})\n"})))
