"""Every version of every event, as it was once stored: today's code must read it, for ever.

`pytest --update-golden` writes the files that are missing. A file that exists is never changed:
history cannot be rewritten either.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from smartops.contracts.catalogue import EVENTS, newest
from smartops.contracts.envelope import TYPE_ROOT, read_data, read_hint
from smartops.contracts.wire import EventData
from support.samples import sample, stored

GOLDEN = Path(__file__).parent / "golden"


def _path(topic: str) -> Path:
    return GOLDEN / f"{topic}.json"


@pytest.fixture(scope="module", autouse=True)
def _written_where_missing(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--update-golden"):
        return
    for topic, spec in EVENTS.items():
        if not _path(topic).exists():
            _path(topic).write_bytes(stored(sample(spec.data)))


@pytest.mark.parametrize("topic", sorted(EVENTS))
def test_what_was_stored_is_still_read(topic: str) -> None:
    assert _path(topic).exists(), "a new version needs a golden file: pytest --update-golden"
    raw = _path(topic).read_bytes()
    data = read_data(topic, raw)
    assert type(data) is newest(EVENTS[topic].data)
    if type(data) is EVENTS[topic].data:
        assert data.model_dump(mode="json") == json.loads(raw)["data"], "no field was lost"
    hint = read_hint(raw)
    assert (hint.topic, hint.type) == (topic, TYPE_ROOT + topic)
    assert hint.sequence == 7


@pytest.mark.parametrize("topic", sorted(EVENTS))
def test_what_is_stored_today_has_the_shape_that_its_version_always_had(topic: str) -> None:
    made = stored(_as_first_written(topic))
    told = "this version's shape changed: add the next version beside it, with an upcaster"
    assert made == _path(topic).read_bytes(), told


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_no_version_is_forgotten(path: Path) -> None:
    assert path.stem in EVENTS, "a version that was once stored must be readable for ever"


def test_a_golden_event_fills_every_field() -> None:
    for topic in EVENTS:
        data = json.loads(_path(topic).read_bytes())["data"]
        assert None not in data.values(), topic


def _as_first_written(topic: str) -> EventData:
    return EVENTS[topic].data.model_validate(json.loads(_path(topic).read_bytes())["data"])
