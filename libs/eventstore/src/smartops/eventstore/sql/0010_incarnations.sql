-- Incarnations: that a process which may still send lives is told by a lock of its session.
--
-- The server frees it when the session ends: at the end of the process, by whatever way, or of the
-- connection, or of the server. A process that only stands still keeps it, its connection being held
-- by the operating system. So who holds no lock has ended, or has lost its connection, and then knows
-- it before it sends again. An id is taken once and never again.
--
-- The keys are two numbers each: a space of their own, apart from the lock of the append.

-- The two halves of an id's first 64 bits. A collision would let an ended one seem alive: it errs on
-- the safe side.
create function smartops_log.incarnation_key(p_id uuid, out o_high int, out o_low int)
language sql immutable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select ('x' || substr(replace(p_id::text, '-', ''), 1, 8))::bit(32)::int,
           ('x' || substr(replace(p_id::text, '-', ''), 9, 8))::bit(32)::int;
end;

-- Begins an incarnation that lasts as long as this session. False: somebody else has it.
create function smartops_log.incarnation_begin(p_id uuid) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_key record;
begin
    select * into strict v_key from smartops_log.incarnation_key(p_id);
    return pg_try_advisory_lock(v_key.o_high, v_key.o_low);
end
$$;

-- Which of these live.
create function smartops_log.incarnations_alive(p_ids uuid[]) returns setof uuid
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    select q.id
      from unnest(p_ids) as q(id)
     cross join lateral smartops_log.incarnation_key(q.id) k
     where exists (
           select from pg_locks l
            where l.locktype = 'advisory' and l.objsubid = 2 and l.granted
              and l.database = (select d.oid from pg_database d
                                 where d.datname = current_database())
              and l.classid = k.o_high::oid and l.objid = k.o_low::oid);
end;

revoke execute on function
    smartops_log.incarnation_key(uuid),
    smartops_log.incarnation_begin(uuid),
    smartops_log.incarnations_alive(uuid[]) from public;
grant execute on function
    smartops_log.incarnation_begin(uuid),
    smartops_log.incarnations_alive(uuid[])
   to smartops_tool_gateway;
