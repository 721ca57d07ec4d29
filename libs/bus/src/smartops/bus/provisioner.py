"""Makes the server's streams and consumers what the topology says.

The only holder of the right to create them. Runs may overlap: creating what another run has just
created with the same configuration is no error for the server, and otherwise it is drift.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from smartops.bus.api import API, NOT_FOUND, ApiError, api_request
from smartops.bus.errors import ProvisioningError, Refusal, UnfixableDrift
from smartops.bus.report import Action, Change, Difference, Report
from smartops.bus.specs import ConsumerSpec, StreamSpec, Topology

__all__ = ["Provisioner"]

_log = logging.getLogger(__name__)

Config = Mapping[str, Any]

_STREAM_IN_USE = 10058
"""Create found a stream of that name with another configuration."""

_ASSUMED: Config = {"persist_mode": "default", "description": ""}
"""What a field means that the server leaves out."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A stream or a consumer, and the three requests it takes."""

    name: str
    want: Config
    read: Callable[[], Awaitable[Config | None]]
    """Its configuration as the server has it; None: it does not exist."""
    create: Callable[[Config], Awaitable[Config]]
    update: Callable[[Config], Awaitable[Config]]


class Provisioner:
    """Applies topologies to one server or cluster.

    Args:
        nc: a connection of the user `provisioner`.
    """

    def __init__(self, nc: Client) -> None:
        self._nc = nc

    async def plan(self, topology: Topology) -> Report:
        """Say what `apply` would do, without doing it.

        Raises:
            ApiError: the server did not answer.
        """
        changes = [await self._plan_one(item) for item in self._items(topology)]
        return Report(tuple(changes), await self._unknown(topology))

    async def apply(self, topology: Topology) -> Report:
        """Create what is missing, update what differs, touch nothing else. Idempotent.

        Consumers are tried again as long as others make progress: a subject moves from one
        durable of a work queue to another only once the first has let go of it.

        Raises:
            UnfixableDrift: fields differ that the server does not change in place; all others
                are mended by then.
            ProvisioningError: the server refused something else.
            ApiError: the server did not answer.
        """
        done: dict[str, Change] = {}
        refusals: list[Refusal] = []
        items = self._items(topology)
        waiting: Sequence[_Item] = items
        while waiting:
            refused: list[tuple[_Item, ProvisioningError]] = []
            for item in waiting:
                try:
                    done[item.name] = await self._apply_one(item)
                except UnfixableDrift as error:
                    refusals += error.refusals
                except ProvisioningError as error:
                    refused.append((item, error))
            if len(refused) == len(waiting):
                raise refused[0][1]
            waiting = [item for item, _ in refused]
        if refusals:
            raise UnfixableDrift(refusals)
        report = Report(tuple(done[item.name] for item in items), await self._unknown(topology))
        _log.info("provisioned:\n%s", report)
        return report

    async def _plan_one(self, item: _Item) -> Change:
        have = await item.read()
        if have is None:
            return Change(item.name, Action.CREATE)
        found = _differences(have, item.want)
        return Change(item.name, Action.UPDATE if found else Action.NONE, found)

    async def _apply_one(self, item: _Item) -> Change:
        have = await item.read()
        if have is None:
            try:
                have = await item.create(item.want)
            except ApiError as error:
                have = await item.read() if error.err_code == _STREAM_IN_USE else None
                if have is None:
                    raise _refused(item, error) from error
            else:
                _check_made(item, have)
                return Change(item.name, Action.CREATE)
        found = _differences(have, item.want)
        if not found:
            return Change(item.name, Action.NONE)
        for difference in found:
            _log.warning("%s differs: %s", item.name, difference)
        await self._mend(item, have, found)
        return Change(item.name, Action.UPDATE, found)

    async def _mend(self, item: _Item, have: Config, found: tuple[Difference, ...]) -> None:
        """Change all fields in one request; if that is refused, one by one to find the culprit."""
        try:
            after = await item.update({**have, **item.want})
        except ApiError as error:
            if error.retryable:
                raise
            after, refusals = await self._mend_one_by_one(item, have, found, error)
        else:
            refusals = []
        silent = {refusal.field for refusal in refusals}
        refusals += [
            Refusal(item.name, left.field, left.have, left.want, "accepted, but left as it was")
            for left in _differences(after, item.want)
            if left.field not in silent
        ]
        if refusals:
            raise UnfixableDrift(refusals)

    async def _mend_one_by_one(
        self, item: _Item, have: Config, found: tuple[Difference, ...], first: ApiError
    ) -> tuple[Config, list[Refusal]]:
        refusals = []
        for field, old, new in ((one.field, one.have, one.want) for one in found):
            try:
                have = await item.update({**have, field: new})
            except ApiError as error:
                refusals.append(Refusal(item.name, field, old, new, error.description))
        if not refusals:  # each may change alone, but not all at once: say what the server said
            raise _refused(item, first) from first
        if len(refusals) == len(found) and first.err_code in _RETRY_AFTER_OTHERS:
            raise _refused(item, first) from first
        return have, refusals

    def _items(self, topology: Topology) -> tuple[_Item, ...]:
        return (
            *(self._stream(spec) for spec in topology.streams),
            *(self._consumer(spec) for spec in topology.consumers),
        )

    def _stream(self, spec: StreamSpec) -> _Item:
        async def ask(verb: str, body: Config | bytes = b"") -> Config:
            answer = await api_request(self._nc, f"{API}.STREAM.{verb}.{spec.name}", body)
            config: Config = answer["config"]
            return config

        return _Item(
            f"stream {spec.name}",
            spec.config(),
            lambda: _or_none(ask("INFO")),
            lambda config: ask("CREATE", config),
            lambda config: ask("UPDATE", config),
        )

    def _consumer(self, spec: ConsumerSpec) -> _Item:
        place = f"{spec.stream}.{spec.durable}"

        async def ask(subject: str, body: Config | bytes = b"") -> Config:
            answer = await api_request(self._nc, f"{API}.CONSUMER.{subject}.{place}", body)
            config: Config = answer["config"]
            return config

        def write(action: str) -> Callable[[Config], Awaitable[Config]]:
            return lambda config: ask(
                "CREATE", {"stream_name": spec.stream, "config": dict(config), "action": action}
            )

        return _Item(
            f"consumer {spec.stream}/{spec.durable}",
            spec.config(),
            lambda: _or_none(ask("INFO")),
            # Not "create": that fails when another run has been faster.
            write(""),
            write("update"),
        )

    async def _unknown(self, topology: Topology) -> tuple[str, ...]:
        streams = {spec.name for spec in topology.streams}
        found = [
            f"stream {name}"
            for name in await self._names("STREAM.NAMES", "streams")
            if name not in streams
        ]
        for spec in topology.streams:
            declared = {one.durable for one in topology.consumers if one.stream == spec.name}
            try:
                names = await self._names(f"CONSUMER.NAMES.{spec.name}", "consumers")
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise
                continue  # a plan for a stream that is still to be made
            found += [f"consumer {spec.name}/{name}" for name in names if name not in declared]
        return tuple(found)

    async def _names(self, subject: str, field: str) -> list[str]:
        names: list[str] = []
        while True:
            page = await api_request(self._nc, f"{API}.{subject}", {"offset": len(names)})
            names += page.get(field) or []
            if len(names) >= page["total"] or not page.get(field):
                return names


_RETRY_AFTER_OTHERS = frozenset({10100, 10099})
"""A filter overlaps with, or is not unique beside, another durable of the work queue."""


def _differences(have: Config, want: Config) -> tuple[Difference, ...]:
    """The fields we decide that the server has otherwise; all its others are its own."""
    found = []
    for field, wanted in want.items():
        actual = have.get(field, _ASSUMED.get(field))
        same = (
            sorted(actual or ()) == sorted(wanted) if isinstance(wanted, list) else actual == wanted
        )
        if not same:
            found.append(Difference(field, actual, wanted))
    return tuple(found)


def _check_made(item: _Item, made: Config) -> None:
    left = _differences(made, item.want)
    if left:
        raise UnfixableDrift(
            [
                Refusal(item.name, one.field, one.have, one.want, "created, but not as asked")
                for one in left
            ]
        )


def _refused(item: _Item, error: ApiError) -> Exception:
    return error if error.retryable else ProvisioningError(item.name, error.description)


async def _or_none(reading: Awaitable[Config]) -> Config | None:
    try:
        return await reading
    except ApiError as error:
        if error.status == NOT_FOUND:
            return None
        raise
