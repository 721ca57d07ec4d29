"""Years of tasks in minutes: a log filled by the superuser with copies of one real task.

One task goes through the event store and audit. Each copy has everything that it left: its events,
with ids, streams and a place in the hash chain of their own, its inbox rows, its blobs, and its
rows in the read models. One timer is pending per hundred tasks. The states are the first task's
bytes, or their beginnings where a disk must hold a million of them, and chained as they are; but
they name the first task, so nobody can fold them. All of it counts as handled and published.
"""

from __future__ import annotations

from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.projector import Projector
from smartops.contracts.catalogue import AUDIT
from smartops.eventstore.chain import Verifier
from smartops.eventstore.reader import COLUMNS
from smartops.eventstore.rows import StoredRow

from benchmarks.lib.histories import append_crowd, ops_task
from benchmarks.lib.scratch_log import ScratchLog

__all__ = ["CHUNK", "TENANT", "chain_problem", "fill", "prepare_filling", "stored_tasks"]

TENANT = "acme"
CHUNK = 1_000
"""Tasks per transaction."""

TASKS_PER_TIMER = 100
BLOBS_PER_TASK = 2
BLOB_BYTES = 1_150
ABREAST = 64
"""Tasks whose events lie between each other's, as they do after a crowd."""

_CHAIN = """
create function public.link(h bytea, origin bytea, bytes bytea) returns bytea
language sql immutable as $$ select sha256(coalesce(h, origin) || bytes) $$;
create aggregate public.chain(bytea, bytea) (sfunc = public.link, stype = bytea);
create function public.some_id(what text) returns uuid
language sql immutable parallel safe as $$ select md5(what)::uuid $$;
create table public.filled (tasks bigint);
insert into public.filled values (0);
"""

_TEMPLATE = """
create table public.template as
select row_number() over (order by position) as n, e.*, sha256(e.state) as digest
  from smartops_log.events e;
create table public.template_inbox as
select i.role, i.handler, coalesce(t.n, 0) as n
  from smartops_log.inbox i left join public.template t on t.event_id = i.cause;
"""

_CUT = "update public.template set state = substring(state for $1)"
_DIGEST = "update public.template set digest = sha256(state)"

_EVENTS = f"""
insert into smartops_log.events (position, tenant, ordinal, stream, version, event_id, topic, task,
                                 cause, party, state, hash, recorded_at)
select position, '{TENANT}', ordinal, stream, version, event_id, topic, task, cause, party, state,
       public.chain(origin, int8send(position) || int4send(octet_length(stream))
           || convert_to(stream, 'UTF8') || int8send(version) || uuid_send(event_id)
           || int4send(octet_length(topic)) || convert_to(topic, 'UTF8') || digest)
           over (order by position), clock_timestamp()
  from (select row_number() over crowd + log.position as position,
               row_number() over crowd + head.ordinal as ordinal,
               '{TENANT}/' || split_part(split_part(t.stream, '/', 2), '-', 1) || '-'
                   || public.some_id(g || t.stream) as stream,
               t.version, public.some_id(g || '/' || t.n) as event_id, t.topic,
               public.some_id(g || '/task') as task,
               public.some_id(g || '/' || t.n - 1) as cause, t.party, t.state, t.digest,
               head.hash as origin
          from generate_series($1::bigint, $2::bigint) as g
         cross join public.template t
         cross join (select max(position) as position from smartops_log.events) log
         cross join (select ordinal, hash from smartops_log.events
                      where tenant = '{TENANT}' order by ordinal desc limit 1) head
        window crowd as (order by g / {ABREAST}, t.n, g)) as made
 order by position
"""

_REST = (
    """
insert into smartops_log.inbox (role, handler, cause, outcome)
select i.role, i.handler, public.some_id(g || '/' || i.n), 'handled'
  from generate_series($1::bigint, $2::bigint) as g cross join public.template_inbox i
""",
    f"""
insert into smartops_log.blobs (tenant, content)
select '{TENANT}', convert_to(rpad(g || '/' || b, {BLOB_BYTES}, '.'), 'UTF8')
  from generate_series($1::bigint, $2::bigint) as g, generate_series(1, {BLOBS_PER_TASK}) as b
""",
    f"""
insert into smartops_log.timers (role, timer_id, handler, stream, name, due_at)
select 'smartops_runner', public.some_id(g || '/timer'), 'later', '{TENANT}/run-' || g, 'later',
       clock_timestamp() + make_interval(days => 365, secs => g)
  from generate_series($1::bigint, $2::bigint) as g where g % {TASKS_PER_TIMER} = 0
""",
    f"""
update smartops.tenants t set events = h.count, verified_position = h.position,
       verified_hash = h.hash
  from smartops_log.heads h where h.tenant = t.tenant and t.tenant = '{TENANT}'
   and $2::bigint >= $1::bigint
""",
    # Sweeps have followed: what was filled in is handled, and nobody looks at it again.
    """
update smartops_log.handlers set low_water = (select max(position) from smartops_log.events)
 where $2::bigint >= $1::bigint
""",
    # Or the first service that meets its event stream would publish all of it.
    """
update smartops_log.publications set position = (select max(position) from smartops_log.events)
 where $2::bigint >= $1::bigint
""",
    """
update smartops.progress p set position = e.position, hash = e.hash
  from (select position, hash from smartops_log.events order by position desc limit 1) e
 where $2::bigint >= $1::bigint
""",
)

_MODELS = ("tasks", "plans", "approvals", "runs", "phases", "tool_calls")
_IDS = {"task", "run", "call"}


async def prepare_filling(log: ScratchLog, state_bytes: int | None = None) -> None:
    """Put the first task into an empty log, through the store and audit, and remember it.

    Args:
        log: an empty one.
        state_bytes: how much of each state the copies have; None: all of it.
    """
    async with log.stores() as stores:
        await append_crowd(stores, [ops_task(TENANT, "first")])
    await _project(log)
    await log.admin.execute(_CHAIN)
    await log.admin.execute(_TEMPLATE)
    if state_bytes is not None:
        await log.admin.execute(_CUT, state_bytes)
        await log.admin.execute(_DIGEST)
    for model in _MODELS:
        await log.admin.execute(
            f"create table public.template_{model} as select * from smartops.{model}"
        )


async def fill(log: ScratchLog, tasks: int) -> None:
    """Add so many copies, in one transaction. All that is in the log must be projected."""
    admin = log.admin
    models = [await _copies(log, model) for model in _MODELS]
    async with admin.transaction():
        await admin.execute("set local synchronous_commit = off")
        last = await admin.fetchval(
            "update public.filled set tasks = tasks + $1 returning tasks", tasks
        )
        for statement in (_EVENTS, *models, *_REST):
            await admin.execute(statement, last - tasks + 1, last)


async def stored_tasks(log: ScratchLog) -> int:
    """Tasks in the log, as far as it was projected."""
    found: int = await log.admin.fetchval("select count(*) from smartops.tasks")
    return found


async def chain_problem(log: ScratchLog) -> str | None:
    """Where the log differs from one that the event store could have written; None: nowhere."""
    verifier = Verifier()
    while True:
        rows = await log.admin.fetch(
            f"select {COLUMNS} from smartops_log.events where position > $1 "
            "order by position limit 5000",
            verifier.position,
        )
        if not rows:
            return None
        broken = verifier.feed(StoredRow._make(row) for row in rows)
        if broken is not None:
            return str(broken)


async def _copies(log: ScratchLog, model: str) -> str:
    columns = [
        str(row[0])
        for row in await log.admin.fetch(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0 "
            "and not attisdropped order by attnum",
            f"public.template_{model}",
        )
    ]
    # Lists of the newest tasks are ordered by it.
    spread = {"submitted_at": "t.submitted_at + make_interval(days => -400, secs => g * 30)"}
    values = [
        spread[name]
        if model == "tasks" and name in spread
        else f"case when t.{name} is null then null else "
        f"public.some_id(g || '/{name}' || {'t.call' if name == 'call' else chr(39) * 2}) end"
        if name in _IDS
        else f"t.{name}"
        for name in columns
    ]
    return (
        f"insert into smartops.{model} ({', '.join(columns)}) select {', '.join(values)} "
        f"from generate_series($1::bigint, $2::bigint) as g cross join public.template_{model} t"
    )


async def _project(log: ScratchLog) -> None:
    connection = await connect(log.dsn(AUDIT))
    try:
        projector = await Projector.open(Tables(connection))
        while rows := await read_after(connection, projector.place, 2000):
            await projector.project(rows)
    finally:
        await connection.close()
