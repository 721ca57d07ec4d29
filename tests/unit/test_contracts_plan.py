"""The plan: what is approved is hashed, and any change of it is another plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.canonical import canonical, digest, digest_of
from smartops.contracts.errors import Malformed
from smartops.contracts.plan import Plan, PlanHeader, Step, seal
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Check
from support.plans import CHECKS, TASK, phase, plan, step, tool
from support.samples import sample

PLAN = plan(
    phase(step("web-01", phase="canary"), name="canary", checks=CHECKS, wait_ms=5),
    phase(step("web-02", phase="wave"), step("web-03", phase="wave"), name="wave"),
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All places of a JSON document that hold a scalar, or nothing."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        if isinstance(item, dict | list) and item:
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key), item


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value in one place."""
    copy = json.loads(json.dumps(document))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def another(value: Any) -> Any:
    """Some other value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case None:
            return "x"
        case _:
            return ["x"]


HEADER = sample(PlanHeader).model_dump(mode="json")
STEP = sample(Step).model_dump(mode="json")
DESCRIPTOR = sample(ToolDescriptor).model_dump(mode="json")


@pytest.mark.parametrize(
    "path", [p for p, _ in leaves(HEADER)], ids=lambda p: ".".join(map(str, p))
)
def test_any_change_of_the_header_is_another_plan(path: tuple[Any, ...]) -> None:
    found = dict(leaves(HEADER))[path]
    assert digest_of(replaced(HEADER, path, another(found))) != digest_of(HEADER)


@pytest.mark.parametrize("path", [p for p, _ in leaves(STEP)], ids=lambda p: ".".join(map(str, p)))
def test_any_change_of_a_step_is_another_step(path: tuple[Any, ...]) -> None:
    found = dict(leaves(STEP))[path]
    changed = replaced(STEP, path, another(found))
    assert digest_of(changed) != Step.model_validate(STEP).hash()


def test_hashes_are_over_all_fields_that_the_models_have() -> None:
    made = Step.model_validate(STEP)
    assert made.hash() == digest_of(STEP)
    assert set(STEP) == set(Step.model_fields)
    assert set(HEADER) == set(PlanHeader.model_fields)
    assert ToolDescriptor.model_validate(DESCRIPTOR).digest() == digest_of(DESCRIPTOR)


def test_a_changed_copy_has_a_hash_of_its_own() -> None:
    made = step("web-01")
    before = made.hash()
    assert made.model_copy(update={"target": "web-02"}).hash() != before
    PLAN.document()
    goal = PLAN.header.model_copy(update={"goal": "something else"})
    changed = PLAN.model_copy(update={"header": goal})
    assert changed.hash() != PLAN.hash()
    assert changed.document() != PLAN.document()
    assert tool().model_copy(update={"timeout_ms": 1}).digest() != tool().digest()
    used = tool()
    used.digest()
    assert used.model_copy(update={"timeout_ms": 1}).digest() != used.digest()


@given(st.randoms())
def test_the_order_of_keys_changes_neither_document_nor_hash(dice: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            dice.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    raw = json.dumps(shuffled(json.loads(PLAN.document())))
    again = Plan.model_validate_json(raw)
    assert (again.hash(), again.document()) == (PLAN.hash(), PLAN.document())


def test_a_step_is_bound_by_the_header_that_lists_its_hash() -> None:
    listed = [hashed for made in PLAN.header.phases for hashed in made.steps]
    assert listed == [made.hash() for made in PLAN.steps]
    assert list(PLAN.by_hash()) == listed


def test_a_sealed_plan_is_read_back() -> None:
    plan_hash, document_digest, document = seal(PLAN)
    assert plan_hash == digest(canonical(PLAN.header.model_dump(mode="json")))
    assert document_digest == digest(document)
    assert document == canonical(PLAN.model_dump(mode="json"))
    assert Plan.read(document, plan_hash=plan_hash) == PLAN


def resealed(**fields: Any) -> tuple[bytes, str]:
    """A document whose header says of itself what it likes, with the hash that fits."""
    document = json.loads(PLAN.document()) | fields
    return canonical(document), digest_of(document["header"])


def test_a_plan_that_was_not_approved_is_not_read() -> None:
    other = seal(plan())[0]
    with pytest.raises(Malformed, match="hashes to"):
        Plan.read(PLAN.document(), plan_hash=other)


def test_a_plan_whose_steps_are_not_the_listed_ones_is_not_read() -> None:
    document = json.loads(PLAN.document())
    arguments = replaced(document, ("steps", 0, "arguments", "asset"), "web-66")
    with pytest.raises(Malformed, match="not those that the header lists"):
        Plan.read(canonical(arguments), plan_hash=PLAN.hash())
    fewer = document | {"steps": document["steps"][:-1]}
    with pytest.raises(Malformed, match="not those that the header lists"):
        Plan.read(canonical(fewer), plan_hash=PLAN.hash())
    order = document | {"steps": document["steps"][::-1]}
    with pytest.raises(Malformed, match="not those that the header lists"):
        Plan.read(canonical(order), plan_hash=PLAN.hash())


def test_two_steps_of_one_name_are_not_read() -> None:
    twins = [made.model_copy(update={"id": "same"}) for made in (step("web-01"), step("web-02"))]
    made = plan(phase(*twins))
    with pytest.raises(Malformed, match="share an id"):
        Plan.read(made.document(), plan_hash=made.hash())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw + b" ",
        lambda raw: raw.replace(b'"header"', b' "header"', 1),
        lambda raw: json.dumps(json.loads(raw), indent=1).encode(),
    ],
    ids=["space after", "space within", "pretty"],
)
def test_another_spelling_of_the_same_plan_is_not_read(spoil: Any) -> None:
    with pytest.raises(Malformed, match="not in canonical form"):
        Plan.read(spoil(PLAN.document()), plan_hash=PLAN.hash())


@pytest.mark.parametrize(
    "spoil",
    [
        {"steps": []},
        {"extra": 1},
        {"header": {}},
        {"header": json.loads(PLAN.document())["header"] | {"phases": []}},
        {"header": json.loads(PLAN.document())["header"] | {"schema_name": "smartops.plan.v2"}},
    ],
)
def test_what_is_no_plan_is_not_read(spoil: dict[str, Any]) -> None:
    document, plan_hash = resealed(**spoil)
    with pytest.raises(Malformed, match="is no plan"):
        Plan.read(document, plan_hash=plan_hash)


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"\xff"])
def test_bytes_that_are_no_plan_are_not_read(raw: bytes) -> None:
    with pytest.raises(Malformed, match="is no plan"):
        Plan.read(raw, plan_hash=PLAN.hash())


def test_targets_are_each_named_once_in_order() -> None:
    made = plan(phase(step("b"), step("a")), phase(step("b", tool("look", category=Category.READ))))
    assert made.targets() == ("b", "a")
    assert made.header.task == TASK


@pytest.mark.parametrize("threshold", [None, "1%", "< 1", "> 1%", "<= ten%", "< -1%"])
def test_an_error_rate_without_a_threshold_means_nothing(threshold: str | None) -> None:
    with pytest.raises(ValueError, match=r"threshold|pattern"):
        Check(type="error_rate", threshold=threshold)


@pytest.mark.parametrize("threshold", ["< 1%", "<1%", "<= 0.5%"])
def test_a_threshold_is_a_share_that_may_not_be_passed(threshold: str) -> None:
    assert Check(type="error_rate", threshold=threshold).threshold == threshold
