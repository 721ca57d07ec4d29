"""A secret is told to the tools it is bound to, in the work of the tenants it is bound to."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from pydantic import ValidationError
from smartops.contracts.events import ToolCallRequested, UndoEntitlement
from smartops.contracts.folds import CallView, GateView, RunView
from smartops.contracts.wire import Category, Environment, Idempotence, JsonObject, Purpose, Risk
from smartops.policy_engine import PolicyEngine
from smartops.runtime.engines import InForce
from smartops.telemetry.tracing import QuietTracer
from smartops.tool_gateway.assessing import Assessor
from smartops.tool_gateway.bindings import Binding, UnknownTools, check_bindings
from smartops.tool_gateway.carrying import Carrier
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.context import Context
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.settings import GatewaySettings
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor
from support.call_facts import facts_of
from support.vault_memory import VaultMemory

SECRET = "correct horse battery staple"
BINDINGS = {
    "db/app": Binding(tenants=("acme", "initech"), tools=("set_password", "look_in")),
    "globex-db": Binding(tenants=("globex",), tools=("set_password",)),
    "gone": Binding(tenants=("acme",), tools=("look_in",)),
}


class AnyArguments(Arguments):
    password: Any = None


class AnyOutput(Output):
    said: Any = None


class Echo:
    """Answers with what it was told."""

    def __init__(self, *more: str) -> None:
        self.heard: list[JsonObject] = []
        self._more = more

    async def call(self, outbound: Outbound) -> Answer | NotApplied | Unknown:
        self.heard.append(outbound.arguments)
        return Answer({"said": [outbound.arguments, *self._more]})

    async def close(self) -> None:
        return


class PolicyWasAsked(Exception):
    """All that is looked at before policy let the call through."""


class Engine:
    def __getattr__(self, name: str) -> Any:
        raise PolicyWasAsked(name)


def made(name: str, driver: Echo) -> Tool:
    described = descriptor(
        name,
        "Made up.",
        AnyArguments,
        AnyOutput,
        category=Category.READ,
        risk=Risk.READ_ONLY,
        idempotence=Idempotence.IDEMPOTENT,
    )
    return Tool(described, AnyArguments, AnyOutput, driver)


def names(secret: str) -> JsonObject:
    return {"password": {"$secret": secret}}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "app").write_text(SECRET)
    for name in ("globex-db", "unbound"):
        (tmp_path / name).write_text(SECRET)
    memory = VaultMemory()
    return Secrets(tmp_path, memory.vault, memory.keeper, own=("own",), bindings=BINDINGS)


def assess(secrets: Secrets, tenant: str, tool: str, arguments: JsonObject) -> Denial | None:
    """What is said to a read that whoever owns the planner asks for; None if it reaches policy."""
    task = uuid4()
    context = Context(
        request=ToolCallRequested(
            call=uuid4(),
            task=task,
            purpose=Purpose.EVIDENCE,
            tool=tool,
            version="1",
            target="web-01",
            question="q",
            attempt=1,
            arguments=arguments,
        ),
        event=uuid4(),
        requester="planner",
        requester_stream=f"{tenant}/task-{task}",
        tenant=tenant,
        environment=Environment.PRODUCTION,
        policy=InForce(cast("PolicyEngine", Engine()), ("_platform/bundle-1", 1)),
        run=RunView(),
        gate=GateView(),
        plan=None,
        undone=CallView(),
        earlier=None,
        reads=(),
    )
    assessor = Assessor(secrets, lambda: datetime(2026, 3, 1, tzinfo=UTC), budget=10)
    try:
        said = assessor.check(context, made(tool, Echo()))
    except PolicyWasAsked:
        return None
    assert isinstance(said, Denial)
    return said


def test_a_tool_that_it_is_bound_to_may_be_told_a_secret(secrets: Secrets) -> None:
    assert assess(secrets, "acme", "look_in", names("db/app")) is None


THEFTS = pytest.mark.parametrize(
    ("tenant", "tool", "secret"),
    [
        ("acme", "query", "db/app"),
        ("acme", "look_in", "unbound"),
        ("acme", "look_in", "db/../db/app"),
        ("acme", "look_in", "db/./app"),
        ("globex", "look_in", "db/app"),
        ("acme", "set_password", "globex-db"),
        ("acme", "look_in", "nowhere"),
    ],
    ids=[
        "another tool",
        "bound to nothing",
        "a way round",
        "another spelling",
        "another tenant",
        "another tenant's secret",
        "not there",
    ],
)


@THEFTS
async def test_a_secret_that_is_not_for_them_is_neither_let_go_nor_told(
    secrets: Secrets, tenant: str, tool: str, secret: str
) -> None:
    denial = assess(secrets, tenant, tool, names(secret))
    assert denial is not None
    assert (denial.code, denial.rule) == ("secret_not_bound", "gateway.secrets")
    for word in (repr(secret), tool, tenant, "SMARTOPS_SECRET_BINDINGS"):
        assert word in denial.message

    # Nor is it when the gateway has let it go before, under other bindings.
    driver = Echo()
    facts = facts_of(tool, "web-01", names(secret))
    answer, _ = await Carrier(secrets, QuietTracer()).carry_out(
        f"{tenant}/call-{uuid4()}", facts, names(secret), made(tool, driver), uuid4()
    )
    assert isinstance(answer, NotApplied)
    assert (answer.code, answer.retryable) == ("secret_not_bound", False)
    assert driver.heard == []


@pytest.mark.parametrize("hidden", [[{"$secret": "unbound"}], {"a": {"b": {"$secret": "unbound"}}}])
def test_a_reference_is_found_however_deep_it_lies(secrets: Secrets, hidden: Any) -> None:
    denial = assess(secrets, "acme", "look_in", {"password": [{"$secret": "db/app"}, hidden]})
    assert denial is not None
    assert denial.code == "secret_not_bound"


def test_that_a_bound_secret_is_missing_is_another_thing(secrets: Secrets) -> None:
    denial = assess(secrets, "acme", "look_in", names("gone"))
    assert denial is not None
    assert (denial.code, denial.rule) == ("missing_secret", "gateway.secrets")
    assert secrets.missing() == ("gone",)


def test_a_gateway_without_bindings_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "db").write_text(SECRET)
    memory = VaultMemory()
    denial = assess(Secrets(tmp_path, memory.vault, memory.keeper), "acme", "look_in", names("db"))
    assert denial is not None
    assert denial.code == "secret_not_bound"


@pytest.mark.parametrize(
    ("undo", "code"), [("set_password", None), ("restore", "secret_not_bound")]
)
def test_whether_a_way_back_is_told_its_secret_is_asked_ahead(
    secrets: Secrets, undo: str, code: str | None
) -> None:
    assessor = Assessor(secrets, lambda: datetime.now(UTC), budget=10)
    back = UndoEntitlement(tool=undo, version="1", arguments=names("db/app"))
    denial = assessor.check_way_back("acme", back)
    assert (None if denial is None else denial.code) == code


async def test_what_a_write_was_told_is_not_stored_when_it_is_read_back(secrets: Secrets) -> None:
    driver = Echo(SECRET)
    sent = facts_of("set_password", "web-01", names("db/app"))
    answer, _ = await Carrier(secrets, QuietTracer()).carry_out(
        f"acme/call-{uuid4()}", sent, {}, made("look_in", driver), uuid4()
    )
    assert driver.heard == [{}]
    assert answer == Answer({"said": [{}, "[secret:told]"]})


# ---- the setting -----------------------------------------------------------------------------


def settings(monkeypatch: pytest.MonkeyPatch, bindings: object, **more: str) -> GatewaySettings:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1/none")
    monkeypatch.setenv("SMARTOPS_SECRETS_DIR", "/nowhere")
    monkeypatch.setenv("SMARTOPS_SECRET_BINDINGS", json.dumps(bindings))
    return GatewaySettings()


def test_bindings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"db/app": {"tenants": ["acme", "initech"], "tools": ["set_password", "look_in"]}}
    read = settings(monkeypatch, told).secret_bindings
    assert read == {"db/app": BINDINGS["db/app"]}


@pytest.mark.parametrize(
    ("bindings", "complaint"),
    [
        ({"DB": {"tenants": ["acme"], "tools": ["noop"]}}, "'DB' names no secret"),
        ({"db/../x": {"tenants": ["acme"], "tools": ["noop"]}}, "'db/../x' names no secret"),
        ({"db": ["noop"]}, "secret_bindings.db"),
        ({"db": {"tools": ["noop"]}}, "secret_bindings.db.tenants"),
        ({"db": {"tenants": [], "tools": ["noop"]}}, "secret_bindings.db.tenants"),
        ({"db": {"tenants": ["*"], "tools": ["noop"]}}, "secret_bindings.db.tenants.0"),
        ({"db": {"tenants": ["acme"]}}, "secret_bindings.db.tools"),
        ({"db": {"tenants": ["acme"], "tools": []}}, "secret_bindings.db.tools"),
        ({"db": {"tenants": ["acme"], "tools": ["*"]}}, "secret_bindings.db.tools.0"),
        ({"db": {"tenants": ["acme"], "tools": ["noop"], "to": 1}}, "secret_bindings.db.to"),
    ],
)
def test_what_binds_nothing_is_refused_by_field(
    monkeypatch: pytest.MonkeyPatch, bindings: object, complaint: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(monkeypatch, bindings)
    assert complaint in str(refused.value)


def test_bindings_without_a_folder_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, {})
    monkeypatch.setenv(
        "SMARTOPS_SECRET_BINDINGS", json.dumps({"db": {"tenants": ["acme"], "tools": ["noop"]}})
    )
    monkeypatch.delenv("SMARTOPS_SECRETS_DIR")
    with pytest.raises(ValidationError, match="SMARTOPS_SECRETS_DIR is not"):
        GatewaySettings()


def test_a_tool_that_is_not_registered_is_refused_by_name() -> None:
    check_bindings(BINDINGS, ["set_password", "look_in"])
    with pytest.raises(UnknownTools, match=r"SMARTOPS_SECRET_BINDINGS\.gone\.tools: look_in is"):
        check_bindings(BINDINGS, ["set_password"])
