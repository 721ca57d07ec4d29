"""The tables written by hand, as a page for people.

Run as a module it prints the page: `python -m benchmarks.lib.permissions.page`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from benchmarks.lib.permissions.bus_facts import (
    APPROVER,
    CREDENTIALS,
    DURABLES,
    OPERATOR,
    PEOPLE,
    SAID_BY,
    SERVICES,
)
from benchmarks.lib.permissions.bus_kinds import Action, Right, SubjectClass
from benchmarks.lib.permissions.bus_table import bus_table
from benchmarks.lib.permissions.markdown import codes, table
from benchmarks.lib.permissions.page_database import attempts, categories, functions, relations

__all__ = ["page"]

_HEAD = """\
# Who may do what, and who was seen to try

`make prove NAME=permissions` tries all of this on running servers: each credential with each
subject, each database role with each table and function, and each way by which a reader gets at
rows. What is expected comes from tables written by hand (`benchmarks/lib/permissions`), not from
the code that configures the servers, which [rights](security.md) shows. This page is those tables;
a test keeps it so. What a server has and no table names is a violation, too.

"yes": all of it; "own": what is this credential's own; "-": refused. Besides, a key that nobody
knows, no key, and somebody's public key without its seed are refused at the door, whatever they
send along with their greeting.

## On the bus
"""

_OWN = """
"Own" means, for the tenant-wide topics of the services:

"""

_DATABASE = """
## In the database

`smartops_owner` owns everything and cannot log in. "all": select, insert, update, delete, truncate.
Nobody has a right on a single column, nor `references`, `trigger` or `maintain`.

"""

_ROWS = """
## Rows of a tenant

A reader names a tenant (`set smartops.tenant = 'acme'`) and sees its rows, all of them and no
others, in each view and in each table beneath that it may select from: plainly, prepared for one
tenant and executed for another, through a cursor, through functions of PostgreSQL that run a query
given as text, by copying, in parallel, with `row_security = off`, and with a condition that tells,
or fails on, whatever row it is tried on. Without a tenant, with an empty one, after `reset`, after
a transaction that had one, or with a name that is nobody's, it sees none. A plan that names the
digest of another tenant's document shows no document. PostgreSQL's own samples of values
(`pg_stats`) show nothing.

The tenant is the reader's word. Row level security keeps an honest reader from mixing tenants up;
it does not keep whoever holds the password of `smartops_reader` from naming another tenant. Give
that password to programs that serve one tenant, or that check who asks.

## What stays open

- Audit may take advisory locks, for its projector, and so could hold that of the append. Where the
  migrator is no superuser, everybody may, until one
  [takes that right away](../../infra/postgres/README.md).
- Whoever may log in may change its own password, make large objects, and see estimates of how many
  rows a table has, of all tenants together.
- A service says its own topics for every tenant and every party. Receivers take a message as a hint
  and read the log, so a false one costs a look.
- The state of a stream can be asked for with its subjects: the monitor can learn names of tenants
  and principals, though no message.
- The provisioner can change a stream so that it drops what it holds. Its key is for deployments.
"""


def page() -> str:
    """The whole page."""
    classes = bus_table({OPERATOR: "P-OPERATOR", APPROVER: "P-APPROVER"}, "ID")
    parts = [
        _HEAD,
        _bus("May say", (one for one in classes if one.action is Action.SAY)),
        _bus("May hear", (one for one in classes if one.action is Action.HEAR)),
        _OWN,
        table(
            ["service", "says", "pulls"],
            [[name, codes(_topics(name)), codes(_durables(name))] for name in SERVICES],
        ),
        "\nA person's own commands bear its tenant and principal, an inbox its owner's name.\n",
        _DATABASE,
        relations(),
        "\n",
        functions(),
        "\n",
        categories(),
        "\n",
        attempts(),
        _ROWS,
    ]
    return "".join(parts)


def _bus(title: str, classes: Iterable[SubjectClass]) -> str:
    heads = [title, *SERVICES, "people", *(one for one in CREDENTIALS[len(SERVICES) + 2 :])]
    rows = []
    for one in classes:
        people = {_right(one, person) for person in PEOPLE}
        given = [_right(one, name) for name in (*SERVICES, *heads[7:])]
        given.insert(len(SERVICES), max(people))
        rows.append([f"{one.name} (such as `{one.subjects[0].text}`)", *given, one.why])
    return "\n" + table([*heads, "because"], rows)


def _right(kind: SubjectClass, who: str) -> str:
    """What is nobody's own is refused to all."""
    right = kind.may.get(who, Right.NONE)
    if right is Right.OWN and not any(who in subject.own for subject in kind.subjects):
        right = Right.NONE
    return str(right)


def _topics(service: str) -> list[str]:
    return [topic for topic, sayers in SAID_BY.items() if service in sayers]


def _durables(service: str) -> list[str]:
    return [durable for durable, (_, owner) in DURABLES.items() if owner == service]


if __name__ == "__main__":
    sys.stdout.write(page())
