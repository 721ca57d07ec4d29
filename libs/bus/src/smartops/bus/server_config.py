"""The nats-server configuration for our users, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from typing import NamedTuple

from smartops.bus.shares import Shares
from smartops.bus.specs import Topology
from smartops.bus.topology import MAX_PAYLOAD_BYTES
from smartops.bus.users import Account, BusUser

__all__ = ["Limits", "TlsFiles", "fill_config", "render_config"]

_PLACEHOLDERS = ("PORT", "MONITOR_PORT", "STORE_DIR")


class TlsFiles(NamedTuple):
    """Paths of PEM files on the server."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server gives at most."""

    max_file_bytes: int = 16 * 1024**3
    max_memory_bytes: int = 256 * 1024**2
    max_connections: int = 1024
    max_streams: int = 16
    max_consumers: int = 256


_TEMPLATE = Template("""\
# Generated from the catalogue of contracts: change users and permissions there, not here.
# $${PORT}, $${MONITOR_PORT} and $${STORE_DIR} are to be replaced before use.

server_name: $server_name
listen: $listen

# The monitor has no authentication, so it stays on loopback.
http: "127.0.0.1:$${MONITOR_PORT}"

max_payload: $max_payload
max_connections: $max_connections
max_control_line: 4KB
ping_interval: "20s"
ping_max: 2
write_deadline: "10s"
$tls
jetstream {
  store_dir: "$${STORE_DIR}"
  max_file_store: $max_file
  max_memory_store: $max_memory
  # Acknowledged means on disk. The default would flush every two minutes.
  sync_interval: always
}

# Permissions below name ack subjects token by token: $$JS.ACK.<stream>.<durable>.>
# The later form puts domain and account first and would lock every service out.
feature_flags {
  js_ack_fc_v2: false
}

# Nobody logs in without a key; there is no user for those who do not say who they are.
system_account: SYS
accounts {
  SYS {
    users: [$system_users]
  }

  # The streams. Only the provisioner and the monitor live here.
  STREAMS {
    jetstream {
      max_file: $max_file
      max_memory: $max_memory
      max_streams: $max_streams
      max_consumers: $max_consumers
    }
    exports: [
$exports
    ]
    users: [
$streams_users
    ]
  }

  # The services: they say events, pull their durables and tell of what they gave up.
  SERVICES {
    exports: [
$heard
    ]
    imports: [
$services_imports
    ]
    users: [
$services_users
    ]
  }

  # The people: they command, and hear their tenant's events.
  PEOPLE {
    imports: [
$people_imports
    ]
    users: [
$people_users
    ]
  }
}
""")


def render_config(
    users: Sequence[BusUser],
    topology: Topology,
    *,
    system_key: str | None = None,
    server_name: str = "smartops-0",
    host: str = "127.0.0.1",
    tls: TlsFiles | None = None,
    limits: Limits | None = None,
) -> str:
    """Write the configuration of a server.

    Args:
        users: each with its account and what it may publish and subscribe.
        topology: whose streams the accounts share.
        system_key: public NKEY of a user of the account `SYS`; None: nobody may enter there.
        server_name: unique in a cluster.
        host: where clients connect.
        tls: certificate and key; needed as soon as `host` is not loopback.
        limits: see `Limits`.

    Returns:
        Text with the placeholders `${PORT}`, `${MONITOR_PORT}` and `${STORE_DIR}`; see
        `fill_config`.

    Raises:
        ValueError: two users share a name or a key: the second would have the first one's
            rights, or read its answers.
    """
    for what in ("name", "key"):
        seen = [getattr(user, what) for user in users]
        if len(set(seen)) != len(seen):
            raise ValueError(f"two users share one {what}")
    limits = limits or Limits()
    shared = Shares.of(topology)

    def members(account: Account) -> str:
        return "\n".join(_user(user) for user in users if user.account is account)

    return _TEMPLATE.substitute(
        server_name=_quoted(server_name),
        listen=f'"{host}:${{PORT}}"',
        max_payload=MAX_PAYLOAD_BYTES,
        max_connections=limits.max_connections,
        max_file=limits.max_file_bytes,
        max_memory=limits.max_memory_bytes,
        max_streams=limits.max_streams,
        max_consumers=limits.max_consumers,
        tls="" if tls is None else _tls(tls),
        system_users="" if system_key is None else f"{{ nkey: {_quoted(system_key)} }}",
        exports=shared.exports(),
        heard=shared.heard(),
        services_imports=shared.services_imports(),
        people_imports=shared.people_imports(),
        streams_users=members(Account.STREAMS),
        services_users=members(Account.SERVICES),
        people_users=members(Account.PEOPLE),
    )


def fill_config(text: str, *, port: int, monitor_port: int, store_dir: str) -> str:
    """Replace the placeholders of `render_config`, and nothing else that begins with a dollar."""
    values = (str(port), str(monitor_port), store_dir.replace("\\", "\\\\").replace('"', '\\"'))
    for name, value in zip(_PLACEHOLDERS, values, strict=True):
        text = text.replace(f"${{{name}}}", value)
    return text


def _tls(files: TlsFiles) -> str:
    return (
        "\ntls {\n"
        f"  cert_file: {_quoted(files.certificate)}\n"
        f"  key_file: {_quoted(files.key)}\n"
        '  min_version: "1.3"\n'
        "}\n"
    )


def _user(user: BusUser) -> str:
    return (
        f"      # {user.name}\n"
        f"      {{ nkey: {_quoted(user.key)}, permissions: {{\n"
        f"        publish: {_rights(user.publish)}\n"
        f"        subscribe: {_rights(user.subscribe)}\n"
        "      } }"
    )


def _rights(subjects: Sequence[str]) -> str:
    if not subjects:
        return '{ deny: [">"] }'  # an empty list of what is allowed would allow everything
    lines = "".join(f"          {_quoted(one)}\n" for one in subjects)
    return f"{{ allow: [\n{lines}        ] }}"


def _quoted(text: str) -> str:
    return json.dumps(text)
