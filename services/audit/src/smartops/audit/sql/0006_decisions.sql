-- What policy decided, and by which bundles: views over the log itself.
--
-- Nothing is projected: a task is some six decisions, each already told in full by an event, and
-- nearly all of them are never asked for again. Like v_events these views run with the rights of
-- smartops_owner, name the tenant themselves, and are security barriers. What people wrote may hold
-- NUL, which JSON can say and the database cannot: it is shown as an unknown character.

-- A decision's answer stands in its event, its question is a blob. Decisions from before inputs
-- were kept are listed without one: they can be counted, and not made again.
create view smartops.v_decisions with (security_barrier) as
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
                   'task.approval.recorded.v3', 'task.plan.edit.accepted.v1',
                   'task.break_glass.used.v1', 'command.refused.v2',
                   'tool.call.denied.v1', 'tool.call.denied.v2', 'tool.call.denied.v3',
                   'tool.call.dispatched.v1', 'tool.call.dispatched.v2',
                   'tool.call.completed.v1', 'tool.call.completed.v2',
                   'tool.call.failed.v1', 'tool.call.failed.v2');

-- The platform's policy bundles, one row each; ask for them as the tenant _platform.
create view smartops.v_bundles with (security_barrier) as
select g.tenant, g.name, g.digest, g.document_digest, g.proposed_by, g.proposed_at, g.reason,
       g.signed_by, g.signed_at, g.activated_by, g.activated_at, g.active, g.shadow,
       g.first_position, b.content as document
  from (
       select e.tenant, e.name, e.digest, max(e.data ->> 'document') as document_digest,
              max(e.data ->> 'actor_name') filter (where e.said = 'proposed') as proposed_by,
              min(e.recorded_at) filter (where e.said = 'proposed') as proposed_at,
              max(e.data ->> 'reason') filter (where e.said = 'proposed') as reason,
              coalesce(array_agg(e.data ->> 'actor_name' order by e.position)
                           filter (where e.said = 'signed'), '{}') as signed_by,
              min(e.recorded_at) filter (where e.said = 'signed') as signed_at,
              (array_agg(e.data ->> 'actor_name' order by e.position desc)
                   filter (where e.said = 'activated'))[1] as activated_by,
              max(e.recorded_at) filter (where e.said = 'activated') as activated_at,
              coalesce(max(e.position) filter (where e.said = 'activated') = max(e.newest), false)
                  as active,
              coalesce(e.digest = max(e.shadow), false) as shadow,
              min(e.position) as first_position
         from (select x.*,
                      max(x.position) filter (where x.said = 'activated') over () as newest,
                      case when bool_or(x.said = 'shadowed') over ()
                           then first_value(x.data ->> 'digest') over (
                                order by (x.said = 'shadowed') desc, x.position desc) end as shadow
                 from (select l.tenant, l.position, l.recorded_at, s.data,
                              s.data ->> 'name' as name, s.data ->> 'digest' as digest,
                              split_part(l.topic, '.', 3) as said
                         from smartops_log.events l
                        cross join lateral (
                              select replace(convert_from(l.state, 'UTF8'), '\u0000', '\ufffd')::jsonb
                                     -> 'data' as data) s
                        where l.tenant = (select smartops.current_tenant())
                          and l.stream = '_platform/bundle-default') x) e
        where e.digest is not null
        group by e.tenant, e.name, e.digest) g
  left join smartops_log.blobs b
    on b.tenant = g.tenant and b.digest = decode(substr(g.document_digest, 8), 'hex');

-- What a bundle without authority would have decided otherwise: one row for each stretch of the log.
create view smartops.v_shadow with (security_barrier) as
select e.tenant, e.position, s.data ->> 'digest' as digest, (s.data ->> 'after')::bigint as after,
       (s.data ->> 'through')::bigint as through, (s.data ->> 'compared')::int as decisions,
       (s.data ->> 'not_recomputable')::int as not_recomputable,
       (s.data ->> 'disagreements')::int as disagreements, s.data -> 'told' as told, e.recorded_at
  from smartops_log.events e
 cross join lateral (
       select replace(convert_from(e.state, 'UTF8'), '\u0000', '\ufffd')::jsonb -> 'data' as data) s
 where e.tenant = (select smartops.current_tenant()) and e.topic = 'policy.shadow.compared.v1';

grant select on smartops.v_decisions, smartops.v_bundles, smartops.v_shadow
   to smartops_reader, smartops_audit;
