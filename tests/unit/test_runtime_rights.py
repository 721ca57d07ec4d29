"""Roles that commands need, where an installation says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import ValidationError
from smartops.contracts.events import ActorMapped
from smartops.runtime.cues import Order
from smartops.runtime.people import Known
from smartops.runtime.rights import Rights
from smartops.runtime.settings import ServiceSettings

ANA = ActorMapped(
    actor=UUID(int=1, version=4), name="ana", principals=("p-ana",), roles=("operator",)
)


class People:
    """Ana, unless she is somebody else by now."""

    def __init__(self, mapped: ActorMapped | None = ANA) -> None:
        self.mapped = mapped
        self.asked: list[bool] = []

    async def find(self, tenant: str, principal: str, *, fresh: bool) -> Known | None:
        self.asked.append(fresh)
        if self.mapped is None or (tenant, principal) != ("acme", "p-ana"):
            return None
        return Known("acme/actor-1", 1, self.mapped)


def order(name: str = "run.resume", principal: str = "p-ana", tenant: str = "acme") -> Order[Any]:
    said = SimpleNamespace(name=name, principal=principal, tenant=tenant)
    return cast("Order[Any]", said)


async def code(people: People, said: Order[Any], **needed: tuple[str, ...]) -> str | None:
    roles = {name.replace("_", "."): value for name, value in needed.items()}
    refusal = await Rights(people, roles).refusal(said)
    return None if refusal is None else refusal.code


async def test_by_default_everybody_may_and_nobody_is_looked_up() -> None:
    people = People(None)
    assert await code(people, order()) is None
    assert await code(people, order(), run_resume=()) is None
    assert await code(people, order("run.halt"), run_resume=("operator",)) is None
    assert people.asked == []


async def test_one_of_the_roles_is_enough_and_each_time_the_log_is_asked() -> None:
    people = People()
    assert await code(people, order(), run_resume=("duty-manager", "operator")) is None
    assert people.asked == [True], "a role that was taken away counts no more"


@pytest.mark.parametrize(
    ("people", "said", "refused"),
    [
        (People(), order(), "forbidden"),
        (People(ANA.model_copy(update={"roles": ()})), order(), "forbidden"),
        (
            People(ANA.model_copy(update={"disabled": True, "roles": ("duty-manager",)})),
            order(),
            "forbidden",
        ),
        (People(None), order(), "unmapped"),
        (People(), order(principal="p-bob"), "unmapped"),
        (People(), order(tenant="globex"), "unmapped"),
    ],
    ids=["another role", "no role", "disabled", "nobody", "another", "of another tenant"],
)
async def test_without_any_of_them_a_command_is_refused(
    people: People, said: Order[Any], refused: str
) -> None:
    assert await code(people, said, run_resume=("duty-manager",)) == refused


def test_a_restriction_that_nobody_would_heed_is_no_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere")
    monkeypatch.setenv("SMARTOPS_COMMAND_ROLES", '{"run.resume": ["operator"]}')
    assert ServiceSettings().command_roles == {"run.resume": ("operator",)}
    monkeypatch.setenv("SMARTOPS_COMMAND_ROLES", '{"run.resum": ["operator"]}')
    with pytest.raises(ValidationError, match=r"there is no command 'run.resum'; there are .*halt"):
        ServiceSettings()
