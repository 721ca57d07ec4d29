-- Voices with a condition, and plans that come back to the gate, tell of decisions, too.

-- A decision's answer stands in its event, its question is a blob. Decisions from before inputs
-- were kept are listed without one: they can be counted, and not made again.
create or replace view smartops.v_decisions with (security_barrier) as
select e.tenant, e.position, e.stream, e.topic, e.task, (s.data ->> 'call')::uuid as call,
       d.ordinal::int as ordinal,
       coalesce(d.value ->> 'entrypoint',
                case when starts_with(e.topic, 'task.plan.') then 'plan'
                     when starts_with(e.topic, 'task.approval.') then 'approval'
                     else 'tool_call' end) as entrypoint,
       d.value ->> 'input' as input_digest, b.content as input,
       coalesce((d.value ->> 'allow')::boolean,
                not (starts_with(e.topic, 'task.plan.refused.')
                     or starts_with(e.topic, 'tool.call.denied.'))) as allow,
       coalesce((d.value ->> 'requires_approval')::boolean,
                (s.data ->> 'requires_approval')::boolean) as requires_approval,
       array(select jsonb_array_elements_text(coalesce(
             d.value -> 'rules', s.data -> 'rules', s.data #> '{facts,policy,rules}', '[]')))
           as rules,
       coalesce((d.value ->> 'quorum')::int, 1) as quorum,
       array(select jsonb_array_elements_text(coalesce(d.value -> 'roles', '[]'))) as roles,
       coalesce(d.value ->> 'bundle', s.data ->> 'bundle', s.data #>> '{facts,policy,bundle}',
                s.data #>> '{policy,bundle}') as bundle,
       coalesce(d.value ->> 'engine', s.data ->> 'engine', s.data #>> '{facts,policy,engine}',
                s.data #>> '{policy,engine}') as engine,
       d.value ->> 'engine_version' as engine_version, e.recorded_at
  from smartops_log.events e
 cross join lateral (
       select replace(convert_from(e.state, 'UTF8'), '\u0000', '\ufffd')::jsonb -> 'data' as data) s
 cross join lateral (
       select x.value, x.ordinal
         from jsonb_array_elements(s.data -> 'decisions') with ordinality as x(value, ordinal)
       union all
       select null, 1
        where e.topic in ('task.plan.validated.v1', 'task.approval.recorded.v1',
                          'task.approval.recorded.v2')
           or e.topic = 'task.plan.refused.v1'
              and s.data @? '$.problems[*] ? (@.stage == "policy")'
           or e.topic = 'tool.call.dispatched.v1' and s.data -> 'send' = '1'
              -- A read, which leaves no other event; a write's outcome comes after its dispatch.
           or e.topic in ('tool.call.completed.v1', 'tool.call.failed.v1') and e.version = 1
           or e.topic = 'tool.call.denied.v1' and s.data ->> 'reason_code' = 'policy'
           or e.topic = 'tool.call.denied.v2' and jsonb_typeof(s.data -> 'policy') = 'object'
       ) d
  left join smartops_log.blobs b
    on b.tenant = e.tenant and b.digest = decode(substr(d.value ->> 'input', 8), 'hex')
 where e.tenant = (select smartops.current_tenant())
   and e.topic in ('task.plan.validated.v1', 'task.plan.validated.v2',
                   'task.plan.refused.v1', 'task.plan.refused.v2',
                   'task.approval.recorded.v1', 'task.approval.recorded.v2',
                   'task.approval.recorded.v3', 'task.approval.recorded.v4',
                   'task.plan.edit.accepted.v1', 'task.plan.returned.v1',
                   'task.break_glass.used.v1', 'command.refused.v2',
                   'tool.call.denied.v1', 'tool.call.denied.v2', 'tool.call.denied.v3',
                   'tool.call.dispatched.v1', 'tool.call.dispatched.v2',
                   'tool.call.completed.v1', 'tool.call.completed.v2',
                   'tool.call.failed.v1', 'tool.call.failed.v2');
