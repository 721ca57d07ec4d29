"""Pages about names agree with the contracts: topics, statuses, and words from elsewhere."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter
from smartops.audit.read_models.status import Status
from smartops.contracts.catalogue import COMMANDS, EVENTS, newest
from smartops.contracts.commands import WantedStep
from smartops.contracts.plan import Plan
from smartops.policy.actors import read_actors
from smartops.policy_engine import RegorusEngine, default_bundle_path
from support.handbook import ROOT, blocks, generator

DOCS = ROOT / "docs"
TOPICS = {spec.data.topic for spec in EVENTS.values()}
NAMES = {spec.data.name for spec in COMMANDS.values()}


def test_reserved_names_are_free() -> None:
    names = generator().catalogue
    assert not TOPICS & set(names.RESERVED_EVENTS)
    assert not NAMES & set(names.RESERVED_COMMANDS)


def test_events_that_nobody_says_yet_are_marked_as_such() -> None:
    """An event is said, in its newest version, where a service or the floor makes one."""
    made: set[str] = set()
    sources = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/runtime/src/**/*.py")]
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                made.add(node.func.id)
    said = [spec.data for spec in EVENTS.values() if newest(spec.data) is spec.data]
    unsaid = {data.type_key() for data in said if data.__name__ not in made}
    assert unsaid == set(generator().catalogue.UNSAID)


def test_every_status_that_people_see_is_explained() -> None:
    text = (DOCS / "reference" / "state-machines.md").read_text("utf-8")
    section = text.partition("## The status that people see")[2].partition("\n## ")[0]
    explained = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)
    assert explained == [status.value for status in Status]


def test_every_topic_of_a_task_stands_on_the_page_of_state_machines() -> None:
    text = (DOCS / "reference" / "state-machines.md").read_text("utf-8")
    unsaid = {key.rpartition(".v")[0] for key in generator().catalogue.UNSAID}
    silent = {"task.step.settled", "task.approval.recorded", "task.cancel.requested"}
    for topic in TOPICS - unsaid - silent:
        if topic.startswith("task."):
            assert f"`{topic}`" in text, topic


# ---- names from elsewhere ----------------------------------------------------------------------


def _rows() -> list[tuple[str, str]]:
    """The tables of the page: what is there, and what is here."""
    text = (DOCS / "reference" / "mapping.md").read_text("utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", text, re.MULTILINE)
    return [
        (left, right) for left, right in rows if left.strip("- ") and not left.startswith("---")
    ]


def _fields() -> set[str]:
    """Names of all fields of all messages, and of the values in them."""
    found: set[str] = set()
    models: list[type[BaseModel]] = [Plan]
    models += [event.data for event in EVENTS.values()]
    models += [command.data for command in COMMANDS.values()]
    for model in models:
        schema = model.model_json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            found |= set(part.get("properties", {}))
    return found


def test_names_from_elsewhere_lead_to_names_that_exist() -> None:
    states = (DOCS / "reference" / "state-machines.md").read_text("utf-8")
    known = (
        TOPICS
        | NAMES
        | _fields()
        | set(generator().settings.variables())
        | set(generator().views.columns())
        | {column for columns in generator().views.columns().values() for column in columns}
        | set(re.findall(r"`([a-z_]+)`", states))
        | {"correlationid", "decided", "logger", "SMARTOPS", "checks", "smartops"}
    )
    for left, right in _rows():
        for name in re.findall(r"`([^`]+)`", right):
            parts = [name] if name in known else name.replace("[]", "").split(".")
            assert all(part in known for part in parts), f"{left} -> {name}"


@pytest.mark.parametrize(
    "name",
    [
        *(
            f"ops.agent_task.{word}"
            for word in ("created", "evidence_attached", "proposed_action", "approved")
        ),
        "ops.agent_task.executed",
        "ops.agent_task.failed",
        "events.ops_agents.v1",
        *("task.planned", "task.started", "task.approval.required", "task.completed"),
        *("task.failed", "audit.appended"),
        *("smartops.events.enabled", "smartops.events.mode: logger"),
        *("smartops.events.nats.serverUrl", "smartops.events.nats.stream"),
        "smartops.events.nats.subjectPrefix",
    ],
)
def test_names_from_elsewhere_are_covered(name: str) -> None:
    assert f"`{name}`" in (DOCS / "reference" / "mapping.md").read_text("utf-8")


# ---- examples that name contracts --------------------------------------------------------------


def test_the_example_of_steps_fits_the_contract() -> None:
    (example,) = blocks(DOCS / "how-to" / "submit-intents.md", "json")
    assert len(TypeAdapter(list[WantedStep]).validate_json(example.text)) == 3


def test_the_example_of_actors_is_read(tmp_path: Path) -> None:
    example = next(blocks(DOCS / "how-to" / "map-people-to-actors.md", "json"))
    (tmp_path / "actors.json").write_text(example.text, "utf-8")
    assert [entry.name for entry in read_actors(tmp_path / "actors.json")] == ["ada", "nightly"]


def test_the_example_of_a_policy_is_put_in_force(tmp_path: Path) -> None:
    page = DOCS / "how-to" / "write-a-policy.md"
    bundle = tmp_path / "policies"
    shutil.copytree(default_bundle_path(), bundle)
    rule, negation = blocks(page, "rego")
    data, cases = blocks(page, "json")
    (bundle / "acme.rego").write_text(rule.text + negation.text, "utf-8")
    (bundle / "acme.json").write_text(data.text, "utf-8")
    (bundle / "acme.cases.json").write_text(cases.text, "utf-8")
    shipped = RegorusEngine.load(default_bundle_path()).bundle_digest
    assert RegorusEngine.load(bundle).bundle_digest != shipped


def test_the_example_of_a_vote_names_the_fields_of_the_command() -> None:
    example = next(blocks(DOCS / "how-to" / "approve.md", "json"))
    command = COMMANDS["approval.decide.v1"].data
    assert set(json.loads(example.text)) == set(command.model_fields)
