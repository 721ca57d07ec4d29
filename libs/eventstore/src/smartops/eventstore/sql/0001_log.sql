-- The log: events and blobs, append-only by grant and by trigger.

-- Names compare byte by byte: collate "C" is faster and does not change with the operating system.
create table smartops_log.events (
    position    bigint      not null primary key,
    tenant      text        not null collate "C",
    ordinal     bigint      not null,
    stream      text        not null collate "C",
    version     bigint      not null,
    event_id    uuid        not null unique,
    topic       text        not null collate "C",
    task        uuid,
    cause       uuid,
    party       text        not null collate "C",
    state       bytea       not null,
    hash        bytea       not null,
    recorded_at timestamptz not null default clock_timestamp(),
    unique (stream, version),
    -- The chain cannot fork; also how the append finds a tenant's head.
    unique (tenant, ordinal),
    constraint events_place    check (position > 0 and ordinal > 0 and version > 0),
    constraint events_tenant   check (starts_with(stream, tenant || '/')),
    constraint events_topic    check (length(topic) between 1 and 200),
    constraint events_party    check (length(party) between 1 and 100),
    constraint events_state    check (octet_length(state) between 1 and 1048576),
    constraint events_hash     check (octet_length(hash) = 32)
);

-- History of a task.
create index events_task on smartops_log.events (task, position) where task is not null;
-- Sweeps, and tailing by topic.
create index events_topic on smartops_log.events (topic, position);

-- Compressing costs more CPU than it saves: most states are below the size that leaves the row.
alter table smartops_log.events alter column state set storage external;
-- Rows never change: vacuum has only to freeze them and keep the visibility map.
alter table smartops_log.events set (fillfactor = 100);

comment on table smartops_log.events is
    'The log. Written by append_units() only; position is gap-free and rises in commit order.';
comment on column smartops_log.events.hash is
    'SHA-256(previous hash of the tenant || position || stream || version || event id || topic || '
    'SHA-256(state)); encoding: see append_units().';

-- Content-addressed bytes. The digest is the database's own, so a wrong one cannot be stored.
create table smartops_log.blobs (
    tenant  text  not null collate "C",
    digest  bytea not null generated always as (sha256(content)) stored,
    content bytea not null,
    primary key (tenant, digest),
    constraint blobs_size check (octet_length(content) <= 8388608)
);

-- The ends of the chains, always as true as the log itself.
-- A table of heads would be one more row to update in each commit, and a hot row that is updated
-- while a backup holds an old snapshot slows every append down: its dead versions cannot be pruned.
-- The recursive query hops from tenant to tenant on the (tenant, ordinal) index.
create view smartops_log.heads with (security_invoker) as
with recursive tenants as (
    (select e.tenant from smartops_log.events e order by e.tenant limit 1)
    union all
    select (select e.tenant from smartops_log.events e
             where e.tenant > t.tenant order by e.tenant limit 1)
      from tenants t where t.tenant is not null
)
select h.tenant, h.position, h.ordinal as count, h.hash
  from tenants t
 cross join lateral (
    select e.tenant, e.position, e.ordinal, e.hash from smartops_log.events e
     where e.tenant = t.tenant order by e.ordinal desc limit 1) h
 where t.tenant is not null;

-- Append-only, second lock: the grants leave INSERT to the owner alone, the trigger stops the
-- owner too. ALWAYS: session_replication_role = replica does not pass it either.
create function smartops_log.refuse_change() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% on %.% is refused: the log is append-only', tg_op, tg_table_schema, tg_table_name
        using errcode = 'SO000',
              hint = 'Append a correcting event instead.';
end
$$;

create trigger events_append_only before update or delete or truncate on smartops_log.events
    for each statement execute function smartops_log.refuse_change();
create trigger blobs_append_only before update or delete or truncate on smartops_log.blobs
    for each statement execute function smartops_log.refuse_change();
alter table smartops_log.events enable always trigger events_append_only;
alter table smartops_log.blobs enable always trigger blobs_append_only;
revoke update, delete, truncate on smartops_log.events, smartops_log.blobs from smartops_owner;
