"""A server that runs and does not work: restarted when that can help, not before, not for ever."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from smartops.devstack import curing
from smartops.devstack.curing import Curable, Illness, keep_curing

GRACE = timedelta(seconds=1)


class Patient:
    """A child that is ill as we say; a cure helps, or does not."""

    name = "patient"

    def __init__(self, illness: Illness | None, *, recovers: bool = True) -> None:
        self.state = illness
        self.cures = 0
        self.looked = asyncio.Event()
        self._recovers = recovers

    async def illness(self) -> Illness | None:
        self.looked.set()
        return self.state

    async def terminate(self, grace: timedelta) -> None:
        assert grace == GRACE
        self.cures += 1
        if self._recovers:
            self.state = None

    async def looks(self, count: int) -> None:
        for _ in range(count):
            self.looked.clear()
            await self.looked.wait()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curing, "LOOK", timedelta(milliseconds=5))


async def looked_after(patient: Patient, looks: int) -> list[str]:
    said: list[str] = []
    task = asyncio.create_task(keep_curing(patient, GRACE, said.append))
    await patient.looks(looks)
    task.cancel()
    await asyncio.wait({task})
    return said


def test_a_patient_is_what_the_supervisor_looks_after() -> None:
    assert isinstance(Patient(None), Curable)


async def test_who_is_well_is_left_alone() -> None:
    patient = Patient(None)
    assert await looked_after(patient, 5) == []
    assert patient.cures == 0


async def test_who_is_ill_is_restarted_once_and_all_is_told() -> None:
    patient = Patient(Illness("stream closed"))
    said = await looked_after(patient, 6)
    assert patient.cures == 1
    assert said == [
        "patient runs and does not work: stream closed; restarting it",
        "patient is restarted: only that makes it work again",
        "patient works again",
    ]


async def test_nobody_is_restarted_while_that_cannot_help_and_it_is_told_once() -> None:
    patient = Patient(Illness("disk full", awaits="free some room"))
    said = await looked_after(patient, 6)
    assert patient.cures == 0
    assert said == ["patient runs and does not work: disk full; free some room"]
    patient.state = Illness("disk full")
    await looked_after(patient, 3)
    assert patient.cures == 1


async def test_who_stays_ill_rests_longer_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curing, "FIRST_REST", timedelta(milliseconds=60))
    patient = Patient(Illness("stream closed"), recovers=False)
    task = asyncio.create_task(keep_curing(patient, GRACE, lambda _: None))
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.wait({task})
    # After 0, 60, 180 and 420 ms at the earliest; without rests there were a hundred.
    assert 1 < patient.cures <= 4
