"""What `smartops.sdk` offers, and what it costs to say its name."""

from __future__ import annotations

import subprocess
import sys

import pytest
import smartops.sdk


def test_the_public_surface_is_this() -> None:
    assert smartops.sdk.__all__ == [
        "Action",
        "Ambiguous",
        "Client",
        "Course",
        "Decided",
        "Done",
        "Event",
        "IntentContext",
        "IntentSubmit",
        "Mandated",
        "NoIdentity",
        "NoProfile",
        "NotFound",
        "NotSent",
        "Outcome",
        "Outdated",
        "PlanCard",
        "Profile",
        "Reader",
        "Refused",
        "Retried",
        "Scope",
        "SdkError",
        "Submitted",
        "Unauthorised",
        "Unknown",
        "Unreachable",
        "Unverified",
        "card",
        "follow",
    ]


@pytest.mark.parametrize("name", smartops.sdk.__all__)
def test_every_name_can_be_imported(name: str) -> None:
    assert getattr(smartops.sdk, name).__name__ or True


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Clint'"):
        smartops.sdk.Clint  # noqa: B018 - the access is what is tested


def test_help_loads_no_driver_and_no_model() -> None:
    code = (
        "import sys, smartops.sdk.cli.main as m\n"
        "try: m.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'nats', 'asyncpg', 'pydantic', 'rich.table', 'smartops.contracts'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Exit codes:" in done.stdout
    assert done.stderr.strip() == "[]"
