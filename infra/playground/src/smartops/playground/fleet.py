"""All there is to operate on: servers, settings, clusters, switches, keys. Pure state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, assert_never

from smartops.playground.backups import Backup, Backups
from smartops.playground.changes import (
    BackupDeleted,
    BackupStarted,
    Change,
    ConfigRestored,
    ConfigSet,
    DrainSet,
    FailedOver,
    FaultsCleared,
    FaultSet,
    FaultSpent,
    FleetReset,
    GoldenSet,
    Keyed,
    Restarted,
    VersionSet,
)
from smartops.playground.clusters import clusters_from_json, first_clusters
from smartops.playground.config_store import first_settings, settings_from_json
from smartops.playground.faults import Fault, Faults
from smartops.playground.keys import MAX_KEYS, KeyRing
from smartops.playground.spec import BASE_LATENCY_MS, WEB_SERVER, FleetSpec, Server, first_servers

__all__ = ["Fleet"]


class Fleet:
    """N web servers in memory.

    It changes by `apply` alone, without a clock and without I/O, so applying the same changes to
    the same beginning always gives the same fleet and the same answers.
    """

    def __init__(self, spec: FleetSpec | None = None, *, max_keys: int = MAX_KEYS) -> None:
        self.spec = spec or FleetSpec()
        self._max_keys = max_keys
        self.resets = 0
        """How often the fleet was reset; tells a request that waited across a reset."""
        self.last_fault = 0
        """Number of the youngest fault; goes on across resets, so ids never come back."""
        self._first_day()

    def _first_day(self) -> None:
        self.servers = first_servers(self.spec)
        self.golden: dict[tuple[str, str | None], str] = {(WEB_SERVER, None): self.spec.golden}
        self.faults = Faults()
        self.keys = KeyRing(self._max_keys)
        self.settings = first_settings()
        self.clusters = first_clusters()
        self.backups = Backups()

    def knows(self, name: str) -> bool:
        """Whether a fault can be about this: a server, a setting, a cluster or a member of one."""
        members = (member for cluster in self.clusters.values() for member in cluster.members)
        return (
            name in self.servers
            or name in self.settings
            or name in self.clusters
            or name in members
        )

    def find(
        self,
        *,
        role: str | None = None,
        environment: str | None = None,
        ids: list[str] | None = None,
    ) -> list[Server]:
        """Servers that fit all that is given, in the fleet's order.

        Raises:
            KeyError: One of `ids` is no server; its argument is that id.
        """
        chosen: set[str] | None = None
        if ids is not None:
            chosen = {self.servers[server_id].id for server_id in ids}
        return [
            server
            for server in self.servers.values()
            if role in (None, server.role)
            and environment in (None, server.environment)
            and (chosen is None or server.id in chosen)
        ]

    def golden_version(self, role: str, platform: str | None = None) -> str | None:
        """The version that `role` ought to run on `platform`; None for an unknown role."""
        everywhere = self.golden.get((role, None))
        return self.golden.get((role, platform), everywhere)

    def healthy(self, server: Server) -> bool:
        """Whether the server passes its health check now."""
        return self.faults.healthy(server.id, server.version)

    def passes(self, member: str) -> bool:
        """Whether a member of a cluster is well now."""
        return self.faults.healthy(member, "")

    def latency_ms(self, server: Server) -> float:
        """How long the slowest hundredth of requests to a server takes now, in milliseconds."""
        return self.faults.latency_ms(server.id, server.version, BASE_LATENCY_MS)

    def error_rate(self, server: Server) -> float:
        """Fraction of requests, 0 to 1, that the server fails now."""
        return self.faults.error_rate(server.id, server.version, server.base_error_rate)

    def view(self, server: Server) -> dict[str, Any]:
        """The server as the API shows it."""
        return {
            "id": server.id,
            "role": server.role,
            "environment": server.environment,
            "region": server.region,
            "platform": server.platform,
            "version": server.version,
            "healthy": self.healthy(server),
            "error_rate": self.error_rate(server),
            "draining": server.draining,
            "restarts": server.restarts,
            "patches": server.patches,
        }

    def apply(self, change: Change) -> dict[str, Any]:
        """Let `change` happen and return the answer that it deserves (empty for switches).

        It never refuses: whether something may happen is decided before it is written down.
        """
        match change:
            case VersionSet():
                return self._set_version(change)
            case Restarted():
                server = self.servers[change.server]
                server.restarts += 1
                return {"id": server.id, "restarts": server.restarts}
            case DrainSet():
                return self._set_draining(change)
            case ConfigSet() | ConfigRestored():
                return self._set_config(change)
            case FailedOver():
                answer = self.clusters[change.server].hand_over(change.primary)
                return self._remembered(change, answer)
            case BackupStarted():
                backup = Backup(
                    change.server, change.label, change.began, change.ends, change.fails
                )
                self.backups.put(backup)
                return self._remembered(change, backup.view(change.began))
            case BackupDeleted():
                deleted = self.backups.drop(change.server, change.label)
                return {"server": change.server, "label": change.label, "deleted": deleted}
            case GoldenSet():
                self.golden[change.role, change.platform] = change.version
            case FaultSet():
                self.faults.put(change.fault)
                self.last_fault += 1
            case FaultSpent():
                self.faults.spend(change.fault_id)
            case FaultsCleared():
                self.faults.clear(change.fault_ids)
            case FleetReset():
                self._first_day()
                self.resets += 1
            case _:
                assert_never(change)
        return {}

    def _set_version(self, change: VersionSet) -> dict[str, Any]:
        server = self.servers[change.server]
        answer = {
            "id": server.id,
            "previous_version": server.version,
            "version": change.version,
        }
        server.version = change.version
        server.patches += 1
        return self._remembered(change, answer)

    def _set_draining(self, change: DrainSet) -> dict[str, Any]:
        server = self.servers[change.server]
        server.draining = change.draining
        return self._remembered(change, {"id": server.id, "draining": server.draining})

    def _set_config(self, change: ConfigSet | ConfigRestored) -> dict[str, Any]:
        setting = self.settings[change.server]
        if isinstance(change, ConfigSet):
            setting.change(change.value)
        else:
            setting.restore(change.revision)
        return setting.view()

    def _remembered(self, change: Keyed, answer: dict[str, Any]) -> dict[str, Any]:
        if change.key is not None:
            self.keys.remember(change.key, change.meaning, answer)
        return answer

    def to_json(self) -> dict[str, Any]:
        """Everything but the spec, as a snapshot holds it."""
        return {
            "resets": self.resets,
            "last_fault": self.last_fault,
            "servers": [asdict(server) for server in self.servers.values()],
            "golden": [[*which, version] for which, version in self.golden.items()],
            "faults": [fault.to_json() for fault in self.faults.all()],
            "keys": self.keys.kept(),
            "settings": [setting.to_json() for setting in self.settings.values()],
            "clusters": [cluster.to_json() for cluster in self.clusters.values()],
            "backups": self.backups.to_json(),
        }

    @classmethod
    def from_json(cls, spec: FleetSpec, data: dict[str, Any], *, max_keys: int = MAX_KEYS) -> Fleet:
        """The fleet written by `to_json`, begun from `spec`."""
        fleet = cls(spec, max_keys=max_keys)
        make: Callable[..., Server] = Server
        fleet.resets = data["resets"]
        fleet.last_fault = data["last_fault"]
        fleet.servers = {server["id"]: make(**server) for server in data["servers"]}
        fleet.golden = {(role, where): version for role, where, version in data["golden"]}
        fleet.faults = Faults(Fault.from_json(fault) for fault in data["faults"])
        fleet.keys = KeyRing(max_keys, data["keys"])
        if "settings" in data:  # Not in snapshots of before there were any.
            fleet.settings = settings_from_json(data["settings"])
            fleet.clusters = clusters_from_json(data["clusters"])
            fleet.backups = Backups(data["backups"])
        return fleet
