"""What the container engine would be asked for; no engine is needed to know that."""

from __future__ import annotations

import re
import subprocess

import pytest
from smartops.devstack.cluster import postgres_programs
from smartops.devstack.nats import nats_program
from smartops.devstack.postgres import DATABASE, DEFAULT_SETTINGS
from support.containers import (
    ContainerNats,
    ContainerPostgres,
    described,
    nats_spec,
    postgres_spec,
)


def version_of(program: object) -> str:
    run = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # type: ignore[list-item]
    match = re.search(r"\d+(\.\d+)+", run.stdout)
    assert match is not None
    return match[0]


def test_the_images_are_the_versions_that_are_embedded() -> None:
    assert postgres_spec("x").image == f"postgres:{version_of(postgres_programs() / 'postgres')}"
    assert nats_spec().image == f"nats:{version_of(nats_program())}"


def test_postgres_gets_the_settings_of_the_embedded_one_and_asks_for_a_password() -> None:
    spec = postgres_spec("hush")
    pairs = dict(part.split("=", 1) for part in spec.command if "=" in part)
    assert pairs == dict(DEFAULT_SETTINGS)
    assert pairs["fsync"] == pairs["synchronous_commit"] == "on"
    assert spec.environment is not None
    assert spec.environment["POSTGRES_PASSWORD"] == "hush"
    assert spec.environment["POSTGRES_DB"] == DATABASE
    assert "trust" not in str(spec.environment)


def test_the_bus_flushes_before_it_acknowledges() -> None:
    spec = nats_spec()
    [(path, config)] = (spec.files or {}).items()
    assert spec.command == ("-c", path)
    assert "sync_interval: always" in config
    assert "max_payload: 1MB" in config


def test_testcontainers_is_told_all_of_a_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testcontainers.core.container.DockerClient", lambda **_: None)
    for spec in (postgres_spec("hush"), nats_spec()):
        container = described(spec)
        assert container.image == spec.image
        assert container.env == (spec.environment or {})
        assert {int(str(port).partition("/")[0]) for port in container.ports} == set(spec.ports)
        assert container._command == list(spec.command)


def test_a_server_in_a_container_is_reached_like_an_embedded_one() -> None:
    postgres = ContainerPostgres("10.0.0.7", 4711, "p@ss/word")
    assert postgres.dsn() == (
        f"postgresql://postgres:p%40ss%2Fword@10.0.0.7:4711/{DATABASE}?sslmode=disable"
    )
    assert postgres.dsn("smartops_planner", "x", "other").startswith(
        "postgresql://smartops_planner:x@10.0.0.7:4711/other"
    )
    assert ContainerNats("10.0.0.7", 4222).url == "nats://10.0.0.7:4222"
