"""A tool's digest: what plans pin, over releases that learn to declare more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.canonical import digest_of
from smartops.contracts.envelope import read_data
from smartops.contracts.events import ToolRegistered, ToolRegisteredV1
from smartops.contracts.folds import ToolView, evolve_tool
from smartops.contracts.tools import ToolDescriptor, ToolDescriptorV1
from smartops.contracts.wire import Category, Idempotence, Risk, Scope
from support.samples import sample, stored

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
BARE: dict[str, Any] = {
    "name": "apply_patch",
    "version": "1",
    "description": "Puts a version onto a server.",
    "category": Category.REVERSIBLE,
    "risk": Risk.STATE_CHANGE_PROD,
    "scope": Scope.ASSET,
    "idempotence": Idempotence.IDEMPOTENT,
    "timeout_ms": 5000,
    "undo_tool": "apply_patch",
    "before": "get_asset",
    "input_schema": {"type": "object"},
    "output_schema": {"type": "object"},
}
AS_RELEASED = "sha256:b259906f1a31b773786b30e6dba49435448bbf8f75eba750056f72098c6fb95e"
"""Of the above, as the release computed it that knew version 1 only."""

DECLARED: dict[str, st.SearchStrategy[Any]] = {
    "probe": st.just("get_asset"),
    "compare_and_set": st.sampled_from([True]),
    "simulate": st.just("simulate_patch"),
    "reason_code": st.sampled_from([True]),
    "blast_radius": st.integers(0, 1_000_000),
    "rate": st.just({"calls": 3, "window_ms": 1000}),
    "concurrency": st.integers(1, 10_000),
    "max_output_bytes": st.integers(1, 100_000_000),
    "egress": st.just(("fleet.example",)),
}


def test_every_declaration_of_version_2_is_tried_here() -> None:
    assert set(DECLARED) == set(ToolDescriptor.model_fields) - set(ToolDescriptorV1.model_fields)


def test_a_tool_of_version_1_keeps_the_digest_that_was_stored() -> None:
    assert ToolDescriptor(**BARE).digest() == AS_RELEASED
    assert digest_of(ToolDescriptorV1(**BARE).model_dump(mode="json")) == AS_RELEASED


@given(st.fixed_dictionaries({}, optional=DECLARED))
def test_a_declaration_changes_the_digest_and_an_absent_one_does_not(more: dict[str, Any]) -> None:
    bare, tool = ToolDescriptor(**BARE), ToolDescriptor(**BARE, **more)
    assert (tool.digest() == bare.digest()) == (not more)
    again = ToolDescriptor.model_validate_json(tool.model_dump_json())
    assert again.digest() == tool.digest()


@given(st.fixed_dictionaries({}, optional=DECLARED), st.sampled_from(sorted(DECLARED)))
def test_taking_a_declaration_back_changes_the_digest_too(more: dict[str, Any], gone: str) -> None:
    tool = ToolDescriptor(**BARE, **more)
    less = ToolDescriptor(**BARE, **{name: more[name] for name in more if name != gone})
    assert (tool.digest() == less.digest()) == (gone not in more)


def test_an_event_of_version_1_is_read_as_one_that_declares_nothing_more() -> None:
    old = ToolRegisteredV1(descriptor=ToolDescriptorV1(**BARE), digest=AS_RELEASED)
    read = read_data("tool.registered.v1", stored(old))
    assert isinstance(read, ToolRegistered)
    assert read.digest == AS_RELEASED == read.descriptor.digest()
    assert read.descriptor == ToolDescriptor(**BARE)
    view = evolve_tool(ToolView(), read)
    assert (view.digest, view.descriptor) == (AS_RELEASED, read.descriptor)


def test_what_was_stored_in_version_1_is_not_doubted_whatever_its_digest() -> None:
    raw = (GOLDEN / "tool.registered.v1.json").read_bytes()
    read = read_data("tool.registered.v1", raw)
    assert isinstance(read, ToolRegistered)
    assert read.digest == json.loads(raw)["data"]["digest"]


@pytest.mark.parametrize(
    "host", ["", "Fleet.example", "fleet.example/path", "a b", "http://x", "é"]
)
def test_a_host_is_a_host(host: str) -> None:
    with pytest.raises(ValueError, match="egress"):
        ToolDescriptor(**BARE, egress=(host,))


def test_the_sample_declares_everything() -> None:
    told = sample(ToolRegistered).descriptor
    assert all(
        getattr(told, name) != ToolDescriptor.model_fields[name].default for name in DECLARED
    )
