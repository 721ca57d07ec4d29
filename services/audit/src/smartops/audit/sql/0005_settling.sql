-- What a call of which no answer came waits for, and who settled it.

alter table smartops.tool_calls
    add column settles_by    text,
    add column incarnation   uuid,
    add column deadline      timestamptz,
    add column settled_by    text,
    add column accept_double boolean;

create or replace view smartops.v_tool_calls with (security_invoker) as
select tenant, call, task, run, purpose, tool, version, target, question, attempt, phase, status,
       requester, arguments, output, output_digest, error_code, message, grant_number, rules,
       bundle, send, duration_ms, requested_at, dispatched_at, ended_at, settles_by, incarnation,
       deadline, settled_by, accept_double
  from smartops.tool_calls
 where status <> 'requested';

-- Few calls wait for anything, and people ask for just those.
create index tool_calls_uncertain on smartops.tool_calls (tenant, requested_at)
 where status = 'uncertain';
