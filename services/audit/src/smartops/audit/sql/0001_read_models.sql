-- The read models: what people and tools look at. Folded from the log by the audit service alone,
-- in one transaction with the place up to which the log has been folded; rebuilt from the log at
-- any time. No time in here is a wall clock's: all are recorded_at of events.
--
-- The first columns of each table are its key; the audit service writes whole rows in the order of
-- the columns, so a later migration adds columns at the end only.

create schema smartops;

-- Who looks may see one tenant, and must say which: an unset tenant is an error, not "all" or
-- "none". An empty one counts as unset: that is what a setting made for one transaction leaves.
create function smartops.current_tenant() returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    v_tenant constant text := current_setting('smartops.tenant');
begin
    if v_tenant = '' then
        raise exception 'smartops.tenant is not set'
            using errcode = '42704', hint = 'Say whose rows: set smartops.tenant = ''<tenant>''.';
    end if;
    return v_tenant;
end
$$;

-- How far the log has been folded and verified. One row.
create table smartops.progress (
    only_row  boolean not null primary key default true check (only_row),
    position  bigint  not null,
    hash      bytea,
    projector int     not null
);
comment on column smartops.progress.hash is
    'Chain value of the event at that position: met again with each read, so that a log that was '
    'cut off or rewritten behind our back is noticed at once.';
comment on column smartops.progress.projector is
    'Which projector made the rows; another one rebuilds them all.';

create table smartops.tenants (
    tenant            text        not null collate "C" primary key,
    first_seen        timestamptz not null,
    events            bigint      not null,
    verified_position bigint      not null,
    verified_hash     bytea       not null
);

create table smartops.actors (
    tenant     text    not null collate "C",
    actor      uuid    not null,
    name       text    not null,
    principals text[]  not null,
    roles      text[]  not null,
    disabled   boolean not null,
    primary key (tenant, actor)
);
-- The name behind a requester's principal.
create index actors_principals on smartops.actors using gin (principals);

create table smartops.tasks (
    tenant         text        not null collate "C",
    task           uuid        not null,
    status         text        not null,
    intent         text        not null,
    environment    text        not null,
    agent          text,
    task_type      text,
    risk_level     text,
    requester      text        not null,
    requester_name text,
    source         text        not null,
    tags           text[]      not null,
    plan_hash      text,
    run            uuid,
    error_code     text,
    message        text,
    submitted_at   timestamptz not null,
    updated_at     timestamptz not null,
    ended_at       timestamptz,
    last_position  bigint      not null,
    primary key (tenant, task)
) with (fillfactor = 70);
create index tasks_newest on smartops.tasks (tenant, submitted_at desc);

create table smartops.plans (
    tenant          text        not null collate "C",
    task            uuid        not null,
    number          bigint      not null,
    plan_hash       text        not null,
    document_digest text        not null,
    type            text        not null,
    summary         text        not null,
    environment     text        not null,
    targets         bigint      not null,
    steps           bigint      not null,
    state           text        not null,
    assessment_hash text,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    primary key (tenant, task, number)
) with (fillfactor = 70);

create table smartops.approvals (
    tenant           text        not null collate "C",
    task             uuid        not null,
    number           bigint      not null,
    plan_hash        text        not null,
    assessment_hash  text        not null,
    status           text        not null,
    environment      text        not null,
    summary          text        not null,
    risk_level       text,
    role             text,
    quorum           bigint,
    requester        text,
    reasons          text[]      not null,
    automatic        boolean     not null,
    grant_number     bigint,
    run              uuid,
    decided_by       uuid[]      not null,
    decided_by_names text[]      not null,
    note             text,
    requested_at     timestamptz,
    decided_at       timestamptz,
    expires_at       timestamptz,
    primary key (tenant, task, number)
) with (fillfactor = 70);
-- The inbox.
create index approvals_pending on smartops.approvals (tenant, requested_at) where status = 'pending';

create table smartops.runs (
    tenant           text        not null collate "C",
    run              uuid        not null,
    task             uuid        not null,
    grant_number     bigint      not null,
    status           text        not null,
    phase_count      bigint,
    phase            bigint,
    phase_name       text,
    phases_completed bigint      not null,
    steps_applied    bigint      not null,
    calls            bigint      not null,
    reason           text,
    what_to_do       text,
    started_at       timestamptz,
    ended_at         timestamptz,
    updated_at       timestamptz not null,
    primary key (tenant, run)
) with (fillfactor = 70);
create index runs_task on smartops.runs (tenant, task);

create table smartops.phases (
    tenant       text        not null collate "C",
    run          uuid        not null,
    phase        bigint      not null,
    name         text        not null,
    status       text        not null,
    targets      text[]      not null,
    started_at   timestamptz not null,
    completed_at timestamptz,
    health       jsonb       not null,
    primary key (tenant, run, phase)
) with (fillfactor = 70);

create table smartops.tool_calls (
    tenant        text        not null collate "C",
    call          uuid        not null,
    task          uuid        not null,
    run           uuid,
    purpose       text        not null,
    tool          text        not null,
    version       text,
    target        text        not null,
    question      text        not null,
    attempt       bigint,
    phase         bigint,
    status        text        not null,
    requester     text        not null,
    arguments     jsonb,
    output        jsonb,
    output_digest text,
    error_code    text,
    message       text,
    grant_number  bigint,
    rules         text[]      not null,
    bundle        text,
    send          bigint,
    duration_ms   float8,
    requested_at  timestamptz,
    dispatched_at timestamptz,
    ended_at      timestamptz,
    primary key (tenant, call)
) with (fillfactor = 80);
create index tool_calls_task on smartops.tool_calls (tenant, task);

-- Topics that no projector knows: counted, so that nobody takes silence for completeness.
create table smartops.unknown_topics (
    tenant         text   not null collate "C",
    topic          text   not null collate "C",
    events         bigint not null,
    first_position bigint not null,
    last_position  bigint not null,
    primary key (tenant, topic)
);

-- Row level security. The tenant policy also binds the owner (FORCE), as whom some views read;
-- audit folds the log of all tenants. The sub-select is evaluated once per query, not per row.
do $$
declare
    v_table text;
begin
    foreach v_table in array array['tenants', 'actors', 'tasks', 'plans', 'approvals', 'runs',
                                   'phases', 'tool_calls', 'unknown_topics'] loop
        execute format('alter table smartops.%I enable row level security', v_table);
        execute format('alter table smartops.%I force row level security', v_table);
        execute format('create policy one_tenant on smartops.%I for select '
            'to smartops_reader, smartops_owner '
            'using (tenant = (select smartops.current_tenant()))', v_table);
        execute format('create policy all_tenants on smartops.%I for all to smartops_audit '
            'using (true) with check (true)', v_table);
    end loop;
end
$$;

grant usage on schema smartops to smartops_audit, smartops_reader;
grant select, insert, update, delete on all tables in schema smartops to smartops_audit;
grant execute on function smartops.current_tenant() to smartops_audit, smartops_reader;
