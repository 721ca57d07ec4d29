-- The named views: the only thing others may rely on. Columns are added at the end, never changed.
--
-- Two kinds. Views over the read models run with the rights of who looks (security_invoker): row
-- level security shows one tenant. Views that reach into the log run with the rights of
-- smartops_owner, which can log in nowhere and bypasses nothing, because a reader has no rights in
-- the log: they name the tenant themselves, and security_barrier keeps conditions of the query
-- from being tried on rows of other tenants.

create view smartops.v_actors with (security_invoker) as
select tenant, actor, name, principals, roles, disabled
  from smartops.actors;

create view smartops.v_tasks with (security_invoker) as
select t.tenant, t.task, t.status, t.intent, t.environment, t.agent, t.task_type, t.risk_level,
       t.requester, coalesce(a.name, t.requester_name) as requester_name, t.source, t.tags,
       t.plan_hash, t.run, t.error_code, t.message, t.submitted_at, t.updated_at, t.ended_at,
       t.last_position
  from smartops.tasks t
  left join lateral (
       select x.name from smartops.actors x
        where x.tenant = t.tenant and x.principals @> array[t.requester]
        order by x.actor limit 1) a on true;

create view smartops.v_approvals with (security_invoker) as
select tenant, task, number, plan_hash, assessment_hash, status, environment, summary, risk_level,
       role, quorum, requester, reasons, automatic, grant_number, run, decided_by,
       decided_by_names, note, requested_at, decided_at, expires_at
  from smartops.approvals;

create view smartops.v_runs with (security_invoker) as
select tenant, run, task, grant_number, status, phase_count, phase, phase_name, phases_completed,
       steps_applied, calls, reason, what_to_do, started_at, ended_at, updated_at
  from smartops.runs;

create view smartops.v_phases with (security_invoker) as
select tenant, run, phase, name, status, targets, started_at, completed_at, health
  from smartops.phases;

-- A call that was asked for and not yet decided has no status of its own: it is not shown.
create view smartops.v_tool_calls with (security_invoker) as
select tenant, call, task, run, purpose, tool, version, target, question, attempt, phase, status,
       requester, arguments, output, output_digest, error_code, message, grant_number, rules,
       bundle, send, duration_ms, requested_at, dispatched_at, ended_at
  from smartops.tool_calls
 where status <> 'requested';

create view smartops.v_events with (security_barrier) as
select tenant, position, stream, version, event_id, topic, task, cause, recorded_at, state, hash
  from smartops_log.events
 where tenant = (select smartops.current_tenant());

-- Document and assessment are the stored bytes, found by the digest they were approved by.
create view smartops.v_plans with (security_barrier) as
select p.tenant, p.task, p.number, p.plan_hash, p.document_digest, d.content as document, p.type,
       p.summary, p.environment, p.targets, p.steps, p.state, p.assessment_hash,
       a.content as assessment, p.created_at, p.updated_at
  from smartops.plans p
  left join smartops_log.blobs d
    on d.tenant = p.tenant and d.digest = decode(substr(p.document_digest, 8), 'hex')
  left join smartops_log.blobs a
    on a.tenant = p.tenant and a.digest = decode(substr(p.assessment_hash, 8), 'hex')
 where p.tenant = (select smartops.current_tenant());

-- The head is the log's own, now; verified_position is how far audit has followed it.
create view smartops.v_tenants with (security_barrier) as
select t.tenant, t.first_seen, t.events, h.position as head_position, h.hash as head_hash,
       t.verified_position
  from smartops.tenants t
  left join lateral (
       select e.position, e.hash from smartops_log.events e
        where e.tenant = t.tenant order by e.ordinal desc limit 1) h on true
 where t.tenant = (select smartops.current_tenant());

-- What no service could digest. Never its payload: a reason is told, not what was said.
create view smartops.v_parked with (security_barrier) as
select p.tenant, p.service, p.handler, p.cause, p.reason, p.recorded_at
  from (select coalesce(e.tenant, i.tenant) as tenant,
               substr(i.role, length('smartops_') + 1) as service,
               i.handler, i.cause, i.reason, i.recorded_at
          from smartops_log.inbox i
          left join smartops_log.events e on e.event_id = i.cause
         where i.outcome = 'parked') p
 where p.tenant = (select smartops.current_tenant());

grant select on smartops.actors, smartops.tasks, smartops.approvals, smartops.runs, smartops.phases,
    smartops.tool_calls to smartops_reader;
grant select on smartops.v_tenants, smartops.v_actors, smartops.v_tasks, smartops.v_plans,
    smartops.v_approvals, smartops.v_runs, smartops.v_phases, smartops.v_tool_calls,
    smartops.v_events, smartops.v_parked to smartops_reader, smartops_audit;
