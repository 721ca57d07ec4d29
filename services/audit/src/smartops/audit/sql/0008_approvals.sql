-- Who is asked to decide, who has said what, and what stood in for a word; and the words that people
-- give beforehand: voices handed over, and classes of plans agreed to.

alter table smartops.approvals
    add column roles       text[]      not null default '{}',
    add column escalated   text[]      not null default '{}',
    add column voices      jsonb       not null default '[]',
    add column reminders   bigint      not null default 0,
    add column prompted_at timestamptz,
    add column standing    uuid,
    add column break_glass boolean     not null default false;
comment on column smartops.approvals.roles is 'Each must be held by one of the voices.';
comment on column smartops.approvals.escalated is 'Roles that may decide, too, since nobody did.';
comment on column smartops.approvals.reminders is 'How often the same people were asked again.';

create or replace view smartops.v_approvals with (security_invoker) as
select tenant, task, number, plan_hash, assessment_hash, status, environment, summary, risk_level,
       role, quorum, requester, reasons, automatic, grant_number, run, decided_by,
       decided_by_names, note, requested_at, decided_at, expires_at, roles, escalated, voices,
       reminders, prompted_at, standing, break_glass
  from smartops.approvals;

create table smartops.delegations (
    tenant       text        not null collate "C",
    delegation   uuid        not null,
    actor        uuid        not null,
    name         text        not null,
    to_actor     uuid        not null,
    to_name      text        not null,
    roles        text[]      not null,
    environments text[]      not null,
    until        timestamptz not null,
    reason       text        not null,
    given_at     timestamptz not null,
    primary key (tenant, delegation)
);

create table smartops.standings (
    tenant         text        not null collate "C",
    standing       uuid        not null,
    actor          uuid        not null,
    name           text        not null,
    agent          text        not null,
    tools          text[]      not null,
    environments   text[]      not null,
    max_targets    bigint      not null,
    max_risk_level text        not null,
    max_uses       bigint      not null,
    until          timestamptz not null,
    reason         text        not null,
    given_at       timestamptz not null,
    primary key (tenant, standing)
);

create table smartops.standing_uses (
    tenant       text        not null collate "C",
    standing     uuid        not null,
    use          bigint      not null,
    task         uuid        not null,
    number       bigint      not null,
    grant_number bigint      not null,
    run          uuid        not null,
    used_at      timestamptz not null,
    primary key (tenant, standing, use)
);

-- A row of its own for each end: what is given, used and ended stands in events of different tasks,
-- and each is folded by itself.
create table smartops.mandate_ends (
    tenant    text        not null collate "C",
    mandate   uuid        not null,
    principal text        not null,
    reason    text        not null,
    ended_at  timestamptz not null,
    primary key (tenant, mandate)
);
comment on column smartops.mandate_ends.mandate is 'The delegation or the standing that ended.';

do $$
declare
    v_table text;
begin
    foreach v_table in array array['delegations', 'standings', 'standing_uses', 'mandate_ends'] loop
        execute format('alter table smartops.%I enable row level security', v_table);
        execute format('alter table smartops.%I force row level security', v_table);
        execute format('create policy one_tenant on smartops.%I for select '
            'to smartops_reader, smartops_owner '
            'using (tenant = (select smartops.current_tenant()))', v_table);
        execute format('create policy all_tenants on smartops.%I for all to smartops_audit '
            'using (true) with check (true)', v_table);
        execute format('grant select, insert, update, delete on smartops.%I to smartops_audit',
            v_table);
        execute format('grant select on smartops.%I to smartops_reader', v_table);
    end loop;
end
$$;

create view smartops.v_delegations with (security_invoker) as
select d.tenant, d.delegation, d.actor, d.name, d.to_actor, d.to_name, d.roles, d.environments,
       d.until, d.reason, d.given_at, e.ended_at, e.reason as end_reason
  from smartops.delegations d
  left join smartops.mandate_ends e on e.tenant = d.tenant and e.mandate = d.delegation;

create view smartops.v_standings with (security_invoker) as
select s.tenant, s.standing, s.actor, s.name, s.agent, s.tools, s.environments, s.max_targets,
       s.max_risk_level, s.max_uses, coalesce(u.uses, 0) as uses, u.last_used_at, s.until, s.reason,
       s.given_at, e.ended_at, e.reason as end_reason
  from smartops.standings s
  left join smartops.mandate_ends e on e.tenant = s.tenant and e.mandate = s.standing
  left join lateral (
       select count(*) as uses, max(x.used_at) as last_used_at from smartops.standing_uses x
        where x.tenant = s.tenant and x.standing = s.standing) u on true;

grant select on smartops.v_delegations, smartops.v_standings to smartops_reader, smartops_audit;
