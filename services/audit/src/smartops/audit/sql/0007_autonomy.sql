-- What agents may do by themselves, and what became of their work.

-- Changes of levels are few, and each tells all of itself: a view over the log, as v_decisions.
create view smartops.v_autonomy with (security_barrier) as
select e.tenant, s.data ->> 'agent' as agent,
       coalesce(s.data ->> 'agent_version', '*') as agent_version,
       coalesce(s.data ->> 'tool', '*') as tool,
       coalesce(s.data ->> 'environment', '*') as environment,
       (s.data ->> 'level')::int as level, (s.data ->> 'before')::int as before,
       coalesce(s.data ->> 'rule', 'unknown') as rule, s.data ->> 'reason' as reason,
       (s.data ->> 'task')::uuid as task, (s.data ->> 'event')::uuid as event,
       s.data ->> 'principal' as principal, (s.data ->> 'actor')::uuid as actor,
       s.data ->> 'tool_digest' as tool_digest, e.recorded_at as changed_at, e.position,
       e.position = max(e.position) over (
           partition by e.stream, coalesce(s.data ->> 'agent_version', '*'),
                        coalesce(s.data ->> 'tool', '*'), coalesce(s.data ->> 'environment', '*'))
           as current
  from smartops_log.events e
 -- A reason is a person's text: JSON can say NUL, the database cannot.
 cross join lateral (
       select replace(convert_from(e.state, 'UTF8'), '\u0000', '\ufffd')::jsonb -> 'data' as data) s
 where e.tenant = (select smartops.current_tenant())
   and e.topic in ('autonomy.changed.v1', 'autonomy.changed.v2');

grant select on smartops.v_autonomy to smartops_reader, smartops_audit;

-- Notes are as many as tasks: of those the newest totals are kept.
create table smartops.track (
    tenant           text        not null collate "C",
    agent            text        not null collate "C",
    agent_version    text        not null collate "C",
    environment      text        not null collate "C",
    tool             text        not null collate "C",
    runs             bigint      not null,
    succeeded        bigint      not null,
    rolled_back      bigint      not null,
    failed           bigint      not null,
    escalated        bigint      not null,
    rejected         bigint      not null,
    approved         bigint      not null,
    senior_approvals bigint      not null,
    last_run_at      timestamptz,
    last_approved_at timestamptz,
    primary key (tenant, agent, agent_version, environment, tool)
);
comment on column smartops.track.tool is 'What the work changed something with; * for all work.';

alter table smartops.track enable row level security;
alter table smartops.track force row level security;
create policy one_tenant on smartops.track for select to smartops_reader, smartops_owner
    using (tenant = (select smartops.current_tenant()));
create policy all_tenants on smartops.track for all to smartops_audit using (true) with check (true);

grant select, insert, update, delete on smartops.track to smartops_audit;
grant select on smartops.track to smartops_reader;

create view smartops.v_track with (security_invoker) as
select tenant, agent, agent_version, environment, tool, runs, succeeded, rolled_back, failed,
       escalated, rejected, approved, senior_approvals, last_run_at, last_approved_at
  from smartops.track;
grant select on smartops.v_track to smartops_reader, smartops_audit;
