-- The tools that were ever registered, a row for each form that one had.
create table smartops.tools (
    tenant        text        not null collate "C",
    name          text        not null collate "C",
    position      bigint      not null,
    version       text        not null,
    category      text        not null,
    risk          text        not null,
    scope         text        not null,
    idempotence   text        not null,
    timeout_ms    bigint      not null,
    digest        text        not null,
    descriptor    jsonb       not null,
    registered_at timestamptz not null,
    primary key (tenant, name, position)
);
comment on column smartops.tools.position is 'Of the event that registered it in this form.';

alter table smartops.tools enable row level security;
alter table smartops.tools force row level security;
create policy one_tenant on smartops.tools for select to smartops_reader, smartops_owner
    using (tenant = (select smartops.current_tenant()));
create policy all_tenants on smartops.tools for all to smartops_audit using (true) with check (true);

grant select, insert, update, delete on smartops.tools to smartops_audit;
grant select on smartops.tools to smartops_reader;

create view smartops.v_tools with (security_invoker) as
select tenant, name, version, category, risk, scope, idempotence, timeout_ms, digest, descriptor,
       registered_at, position,
       position = max(position) over (partition by tenant, name) as current
  from smartops.tools;
grant select on smartops.v_tools to smartops_reader, smartops_audit;
