"""Identities: the same for ever, and different wherever something differs."""

from __future__ import annotations

import itertools
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.ids import (
    _ROOT,
    actor_id,
    call_id,
    command_key,
    event_id,
    named_id,
    plan_id,
    principal,
    read_principal,
    run_id,
    task_id,
    timer_id,
    tool_key,
)

WHO = principal("local", "operator")
KEY = command_key("acme", WHO, "intent.submit", "i-1")
TASK = task_id(KEY)
RUN = run_id(TASK, 1, 1)
STEP = "canary/1-apply_patch/web-01"


def test_ids_are_what_they_have_always_been() -> None:
    """Golden values: a change here would re-name all history."""
    assert WHO == "nrxwgylmd5xxazlsmf2g64q"
    assert {
        "key": str(KEY),
        "task": str(TASK),
        "plan": str(plan_id(TASK, 1)),
        "run": str(RUN),
        "call": str(call_id(f"acme/run-{RUN}", STEP, "do", 1)),
        "tool": str(tool_key(RUN, STEP, "do")),
        "event": str(event_id(KEY, f"acme/task-{TASK}", 0)),
        "timer": str(timer_id(f"acme/gate-{TASK}", "expiry/1")),
        "actor": str(actor_id("acme", "operator")),
        "name": str(named_id("a", "b")),
    } == {
        "key": "5b2c3360-afff-505e-8ba4-609227f6591b",
        "task": "08f55816-d78a-5ee6-ac9f-26bcf354d670",
        "plan": "070b5ca2-2462-5920-85f0-b3d2cc2c2c75",
        "run": "aba44a65-a5ec-5aaf-b089-8e50c0e15ce2",
        "call": "43a20854-c97d-55b0-8de8-ae397c5035d9",
        "tool": "5637ad28-d558-5710-89fc-980f5dd180e7",
        "event": "66b7b0aa-2cb0-543c-8742-61e5b3329568",
        "timer": "5c345a3e-51f1-5315-8f3d-52abbb866e64",
        "actor": "d21ab874-37c3-5ffc-ae32-b84774e24130",
        "name": "722d33d8-c8b2-5861-bef5-73b7cfa7784f",
    }


def test_whatever_differs_gives_another_id() -> None:
    name = f"acme/run-{RUN}"
    made: list[UUID] = [
        *(
            command_key(*parts)
            for parts in itertools.product(
                ("acme", "other"), (WHO, "p"), ("a.b", "c.d"), ("1", "2")
            )
        ),
        *(run_id(TASK, number, grant) for number in (1, 2) for grant in (1, 2)),
        *(plan_id(TASK, number) for number in (1, 2)),
        *(
            call_id(where, question, purpose, attempt)
            for where in (name, "acme/run-x")
            for question in (STEP, f"undo/{STEP}")
            for purpose in ("do", "undo")
            for attempt in (1, 2)
        ),
        *(tool_key(RUN, step, purpose) for step in (STEP, "x") for purpose in ("do", "undo")),
        *(event_id(KEY, where, place) for where in (name, "acme/gate-1") for place in (0, 1)),
        timer_id(name, "a"),
        timer_id(name, "b"),
        actor_id("acme", "a"),
        actor_id("other", "a"),
    ]
    assert len(set(made)) == len(made)


def test_the_tools_key_is_free_of_attempts_so_a_retry_is_the_same_request() -> None:
    calls = {call_id(f"acme/run-{RUN}", STEP, "do", attempt) for attempt in (1, 2, 3)}
    assert len(calls) == 3
    assert len({tool_key(RUN, STEP, "do") for _ in calls}) == 1


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f"), max_size=5),
        min_size=1,
    )
)
def test_parts_do_not_run_into_each_other(parts: list[str]) -> None:
    joined = "".join(parts)
    if len(parts) > 1:
        assert named_id(*parts) != named_id(joined)
    # RFC 9562's version 5, whoever computes it, under the namespace of the golden values.
    assert named_id(*parts) == uuid5(_ROOT, "\x1f".join(parts))


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_principal_is_one_token_that_tells_issuer_and_subject(issuer: str, subject: str) -> None:
    try:
        token = principal(issuer, subject)
    except UnicodeEncodeError:
        return  # A lone surrogate names nobody.
    except ValueError:
        assert "\x1f" in issuer + subject, "or the token could be read as another credential"
        return
    assert token == token.lower()
    assert all(char.isalnum() for char in token)
    assert read_principal(token) == (issuer, subject)


def test_no_credential_can_be_spelled_as_another_one() -> None:
    for issuer, subject in (("a\x1fb", "c"), ("a", "b\x1fc")):
        with pytest.raises(ValueError, match="separator"):
            principal(issuer, subject)


def test_an_issuer_cannot_borrow_the_subject_of_another() -> None:
    assert principal("a", "bc") != principal("ab", "c")


@pytest.mark.parametrize(
    "token", ["", "operator", "a", "111", "mfrgg", "ü", "nrxwgylmd5xxazlsmf2g64q=x"]
)
def test_what_is_no_principal_is_refused(token: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of which kind is of no interest.
        read_principal(token)
