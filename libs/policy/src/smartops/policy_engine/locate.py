"""Where the bundle that ships with SmartOps lies."""

from __future__ import annotations

from pathlib import Path

from smartops.policy_engine.errors import BundleNotFound

__all__ = ["default_bundle_path"]

_PACKAGED = "default_bundle"
"""Where the wheel keeps its copy of `infra/policies`; the build puts it there."""


def default_bundle_path(start: Path | None = None) -> Path:
    """The directory of our own policies.

    In an installed wheel it lies beside this module. In a checkout the one source is
    `infra/policies`, found by walking up, so an edit there is in force without a build.

    Args:
        start: directory of the package; given only to look from elsewhere.

    Raises:
        BundleNotFound: neither place exists.
    """
    package = Path(__file__).resolve().parent if start is None else start.resolve()
    places = [package / _PACKAGED]
    places += [parent / "infra" / "policies" for parent in package.parents]
    for place in places:
        if (place / "plan.rego").is_file():
            return place
    raise BundleNotFound(places[0])
