"""What an intent may bring along, and in what form it is stored."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import TaskSubmitted
from smartops.contracts.plan import Requester
from smartops.planner.domain import Submission, submit
from smartops.planner.intake import Intake, Taken
from smartops.planner.state import Task
from smartops.redact import Finder
from smartops.runtime.decision import NOTHING, Refusal
from smartops.vault import CannotOpen, Keeper
from support.vault_memory import VaultMemory

MAIL = "ana@example.com"


def intent(text: str = "Restart the web servers", **context: Any) -> IntentSubmit:
    return IntentSubmit.model_validate({"intent": text, "context": context})


def step(**arguments: Any) -> dict[str, Any]:
    return {"tool": "restart_server", "target": "web-01", "arguments": arguments}


def take(command: IntentSubmit, memory: VaultMemory | None = None) -> Taken | Refusal:
    return Intake((memory or VaultMemory()).keeper).take("acme", command)


def refused(command: IntentSubmit) -> tuple[str, str | None]:
    taken = take(command)
    assert isinstance(taken, Refusal)
    return taken.code, taken.field


async def test_sentence_and_arguments_are_stored_with_tokens_and_the_values_are_kept() -> None:
    memory = VaultMemory()
    command = intent(f"Restart for {MAIL}", steps=[step(to=MAIL, reason=f"by {MAIL}")])
    taken = take(command, memory)
    assert isinstance(taken, Taken)
    token = taken.found[0].token
    assert taken.command.intent == f"Restart for [email:{token}]"
    assert taken.command.context.steps[0].arguments == {
        "to": {"$pii": "email", "token": token},
        "reason": f"by [email:{token}]",
    }
    assert MAIL not in taken.command.model_dump_json()
    task = uuid4()
    await Intake(memory.keeper).keep("acme", task, taken)
    values = await memory.vault.values("acme", task, [token])
    assert values[token].value == MAIL
    assert MAIL.encode() not in b"".join(row.sealed or b"" for row in memory.rows.values())


def test_a_sentence_that_is_one_value_stays_a_sentence() -> None:
    taken = take(intent(MAIL))
    assert isinstance(taken, Taken)
    assert taken.command.intent.startswith("[email:")


def test_an_ordinary_intent_is_taken_as_it_is() -> None:
    command = intent(scope={"role": "web-server"}, steps=[step(version="2.4.1")])
    taken = take(command)
    assert isinstance(taken, Taken)
    assert taken.command is command
    assert taken.found == ()


def test_a_secret_is_refused_naming_its_field_even_beside_personal_data() -> None:
    command = intent(f"Restart for {MAIL}", steps=[step(password="hunter2")])
    assert refused(command) == ("secret", "context.steps.0.arguments.password")
    token = "ghp_" + "a1B2" * 9
    assert refused(intent(f"Restart with {token} for {MAIL}")) == ("secret", "intent")


def test_personal_data_is_refused_where_nothing_can_stand_in_its_place() -> None:
    command = IntentSubmit.model_validate(
        {"intent": "Restart them", "tags": ["ok", "card:4111111111111111"]}
    )
    assert refused(command) == ("personal_data", "tags.1")
    target = {"tool": "restart_server", "target": "4111111111111111"}
    assert refused(intent(steps=[target])) == ("personal_data", "context.steps.0.target")


def test_without_a_vault_personal_data_is_refused_at_the_door() -> None:
    intake = Intake(Keeper(VaultMemory(), Finder()))  # type: ignore[arg-type]
    taken = intake.take("acme", intent(f"Restart for {MAIL}"))
    assert isinstance(taken, Refusal)
    assert taken.code == "no_vault"
    assert MAIL not in taken.message
    assert isinstance(intake.take("acme", intent()), Taken)


def test_a_sentence_that_tokens_make_too_long_is_refused() -> None:
    many = " ".join(f"a{n}@b.de" for n in range(180))
    assert refused(intent(many)) == ("too_long", "intent")


def test_the_fingerprint_of_a_command_cannot_be_guessed_without_the_key() -> None:
    ours, theirs = VaultMemory().keeper, VaultMemory(token_key=b"u" * 32).keeper
    bare = "sha256:" + "0" * 64
    assert ours.fingerprint("acme", bare) == ours.fingerprint("acme", bare)
    assert ours.fingerprint("acme", bare) != theirs.fingerprint("acme", bare)
    assert ours.fingerprint("acme", bare) != ours.fingerprint("globex", bare)
    assert bare not in ours.fingerprint("acme", bare)


def test_what_lies_parked_can_be_read_by_the_planner_alone() -> None:
    ours, theirs = VaultMemory().keeper, VaultMemory(token_key=b"u" * 32).keeper
    payload = b"subject\n" + MAIL.encode()
    covered = ours.cover(payload)
    assert MAIL.encode() not in covered
    assert ours.uncover(covered) == payload
    assert ours.uncover(payload) == payload, "parked by an older release"
    with pytest.raises(CannotOpen):
        theirs.uncover(covered)


def test_a_command_from_before_there_was_a_key_is_still_the_same_command() -> None:
    command = intent(steps=[step()])

    def given(content: str, bare: str = "") -> Submission:
        requester = Requester(principal="p", authtype="local")
        return Submission(uuid4(), "acme", uuid4(), content, requester, command, bare)

    bare, keyed = "sha256:" + "0" * 64, "sha256:" + "1" * 64
    old = given(bare)
    submitted = TaskSubmitted(
        intent=command.intent,
        environment=command.environment,
        context=command.context,
        source=command.source,
        requester=old.requester,
        command=old.key,
        content=bare,
    )
    task = Task(submitted=submitted)
    assert submit(task, given(keyed, bare), (), {}) == NOTHING
    refusal = submit(task, given(keyed, keyed), (), {}).refusal
    assert refusal is not None
    assert refusal.code == "key_reused"
