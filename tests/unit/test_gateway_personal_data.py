"""What a tool is told last of all, and what of its answer is kept from the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue
from smartops.contracts.events import CallFacts, Decided
from smartops.contracts.wire import Category, Idempotence, JsonObject, Purpose, Risk
from smartops.telemetry.tracing import QuietTracer
from smartops.tool_gateway.bindings import Binding
from smartops.tool_gateway.carrying import Carrier
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor
from smartops.tool_gateway.tools.personal import PII
from support.vault_memory import VaultMemory

TASK = uuid4()
DIGEST = "sha256:" + "0" * 64
MAIL = "ana@example.com"
ODD_SECRET = "correct horse battery staple"


class AnyArguments(Arguments):
    to: Any = None
    note: str = ""
    password: Any = None


class AnyOutput(Output):
    said: Any = None


class Echo:
    """Answers with what it was told, as told."""

    def __init__(self, answer: Answer | NotApplied | Unknown | None = None) -> None:
        self.heard: list[JsonObject] = []
        self._answer = answer

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        self.heard.append(outbound.arguments)
        return self._answer or Answer({"said": outbound.arguments})

    async def close(self) -> None:
        return


class World:
    """A gateway's carrier over a vault in memory."""

    def __init__(self, folder: Path) -> None:
        self.memory = VaultMemory()
        (folder / "db").write_text(ODD_SECRET)
        bound = Binding(tenants=("acme",), tools=("tell",))
        secrets = Secrets(
            folder,
            self.memory.vault,
            self.memory.keeper,
            own=("driver-token",),
            bindings={"db": bound, "gone": bound},
        )
        self.carrier = Carrier(secrets, QuietTracer())

    async def knows(self, value: JsonValue, task: UUID = TASK) -> Any:
        """A value as an intent brings it along."""
        taken = self.memory.keeper.take_out("acme", value)
        await self.memory.keeper.keep("acme", task, taken.found)
        return taken.value

    async def call(
        self,
        arguments: JsonObject,
        driver: Echo,
        task: UUID = TASK,
        output: type[Output] = AnyOutput,
    ) -> Answer | NotApplied | Unknown:
        made = descriptor(
            "tell",
            "Tells.",
            AnyArguments,
            output,
            category=Category.READ,
            risk=Risk.READ_ONLY,
            idempotence=Idempotence.IDEMPOTENT,
        )
        facts = CallFacts(
            task=task,
            requester="planner",
            requester_stream=f"acme/task-{task}",
            request=uuid4(),
            purpose=Purpose.EVIDENCE,
            tool="tell",
            version="1",
            schema_digest=DIGEST,
            target="web-01",
            question="tell",
            attempt=1,
            arguments=arguments,
            policy=Decided(allow=True, rules=(), bundle=DIGEST, engine="none"),
        )
        tool = Tool(made, AnyArguments, output, driver)
        answer, _ = await self.carrier.carry_out(
            f"acme/call-{uuid4()}", facts, arguments, tool, uuid4()
        )
        return answer


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_the_tool_hears_the_value_and_the_record_has_the_token(world: World) -> None:
    arguments = await world.knows({"to": MAIL, "note": f"mail {MAIL} now"})
    assert MAIL not in str(arguments)
    driver = Echo()
    answer = await world.call(arguments, driver)
    assert driver.heard == [{"to": MAIL, "note": f"mail {MAIL} now"}]
    assert answer == Answer({"said": arguments})


async def test_new_personal_data_in_an_answer_is_kept_and_can_be_used(world: World) -> None:
    answer = await world.call({}, Echo(Answer({"said": "write to bob@example.com"})))
    assert isinstance(answer, Answer)
    assert "bob@example.com" not in str(answer.output)
    driver = Echo()
    await world.call({"note": answer.output["said"]}, driver)  # type: ignore[index, call-overload]
    assert driver.heard[0]["note"] == "write to bob@example.com"


async def test_a_secret_that_comes_back_is_not_stored_whatever_it_looks_like(world: World) -> None:
    driver = Echo()
    answer = await world.call({"password": {"$secret": "db"}, "note": "x"}, driver)
    assert driver.heard[0]["password"] == ODD_SECRET
    assert isinstance(answer, Answer)
    assert ODD_SECRET not in str(answer.output)
    failed = await world.call(
        {"password": {"$secret": "db"}},
        Echo(
            NotApplied("refused", f"401: {ODD_SECRET} for driver-token is wrong", retryable=False)
        ),
    )
    assert isinstance(failed, NotApplied)
    assert failed.message == "401: [secret:told] for [secret:told] is wrong"


@pytest.mark.parametrize(
    "failure",
    [NotApplied("refused", f"400: no {MAIL}", retryable=False), Unknown(f"500: no {MAIL}")],
    ids=["not applied", "unknown"],
)
async def test_what_is_said_of_a_failure_is_kept_from_the_log_too(
    world: World, failure: NotApplied | Unknown
) -> None:
    answer = await world.call({}, Echo(failure))
    assert MAIL not in str(answer)
    assert "[email:" in str(answer)
    assert len(world.memory.rows) == 1


async def test_an_answer_cannot_name_a_value_for_a_later_call(world: World) -> None:
    reference = await world.knows(MAIL)
    said = {"said": [reference, f"see [email:{reference['token']}]", {"$secret": "db"}]}
    answer = await world.call({}, Echo(Answer(said)))
    assert answer == Answer(
        {"said": ["[secret:reference]", "see [email:reference]", "[secret:reference]"]}
    )


async def test_without_its_value_a_call_does_not_go_out(world: World) -> None:
    arguments = await world.knows({"to": MAIL})
    driver = Echo()
    other = await world.call(arguments, driver, task=uuid4())
    assert isinstance(other, NotApplied), "a token of one task means nothing in another"
    world.memory.forget()
    erased = await world.call(arguments, driver)
    assert isinstance(erased, NotApplied)
    assert (erased.code, erased.retryable) == ("missing_pii", False)
    assert driver.heard == []


async def test_a_secret_that_was_removed_since_stops_the_call(world: World) -> None:
    driver = Echo()
    answer = await world.call({"password": {"$secret": "gone"}}, driver)
    assert isinstance(answer, NotApplied)
    assert (answer.code, driver.heard) == ("unknown_secret", [])


class Person(Output):
    name: Annotated[str, PII("person")]
    nick: Annotated[str | None, PII("person")] = None
    role: str = ""


class People(Output):
    people: tuple[Person, ...]
    by_team: dict[str, list[Annotated[str, PII("person")]]]


async def test_a_marked_field_is_personal_whatever_it_looks_like(world: World) -> None:
    people = {
        "people": [{"name": "Ana", "role": "Ana's own"}, {"name": "Bo", "nick": "B"}],
        "by_team": {"red": ["Ana"]},
    }
    answer = await world.call({}, Echo(Answer(people)), output=People)
    assert isinstance(answer, Answer)
    found: Any = answer.output
    ana = found["people"][0]["name"]
    assert ana["$pii"] == "person"
    assert found["by_team"] == {"red": [ana]}
    assert found["people"][0]["role"] == "Ana's own", "only what is marked"
    assert found["people"][1]["nick"]["$pii"] == "person"
    assert found["people"][0]["nick"] is None
    driver = Echo()
    await world.call({"to": ana}, driver)
    assert driver.heard == [{"to": "Ana"}]
