-- What a service does to its own rows beside the append. Each function compares with session_user,
-- which a caller cannot change, so none can touch, or even see, another service's work.
-- Look-ups are lateral with a limit, for the same reason as in append_units().

-- Outbox: published rows go. Not worth a wait for the disk: a row that a crash brings back is
-- published once more, under the same message id.
create function smartops_log.outbox_done(p_positions bigint[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    perform set_config('synchronous_commit', 'off', true);
    delete from smartops_log.outbox o
     where o.position = any (p_positions) and o.role = session_user::text;
end
$$;

-- Outbox: what is left over, found by state and never by a cursor.
create function smartops_log.outbox_pending(p_older_than interval, p_limit int)
returns table (o_position bigint, o_subject text, o_event_id uuid, o_state bytea)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select o.position, o.subject, e.event_id, e.state
      from smartops_log.outbox o
     cross join lateral (
           select x.event_id, x.state, x.recorded_at from smartops_log.events x
            where x.position = o.position limit 1) e
     where o.role = session_user::text
       and e.recorded_at <= clock_timestamp() - p_older_than
     order by o.position
     limit p_limit;
end;

-- Outbox: how many rows wait, and since when.
create function smartops_log.outbox_backlog(out o_count bigint, out o_oldest timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select count(*),
           (select e.recorded_at from smartops_log.events e
             where e.position = (select min(p.position) from smartops_log.outbox p
                                  where p.role = session_user::text))
      from smartops_log.outbox o
     where o.role = session_user::text;
end;

-- Inbox: set a trigger aside, for ever or until unpark(). False: it was settled already.
create function smartops_log.park(p_handler text, p_cause uuid, p_reason text, p_payload bytea,
                                  p_tenant text)
returns boolean
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    with parked as (
        insert into smartops_log.inbox (role, handler, cause, outcome, reason, payload, tenant)
        values (session_user::text, p_handler, p_cause, 'parked', p_reason, p_payload, p_tenant)
            on conflict do nothing
        returning 1)
    select exists (select from parked);
end;

create function smartops_log.parked(p_limit int)
returns table (o_handler text, o_cause uuid, o_reason text, o_recorded_at timestamptz,
               o_payload bytea, o_position bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select i.handler, i.cause, i.reason, i.recorded_at, i.payload, e.position
      from smartops_log.inbox i
      left join lateral (
           select x.position from smartops_log.events x
            where x.event_id = i.cause limit 1) e on true
     where i.role = session_user::text and i.outcome = 'parked'
     order by i.recorded_at
     limit p_limit;
end;

-- Inbox: how a trigger ended.
create function smartops_log.settled(p_handler text, p_cause uuid)
returns table (o_outcome text, o_reason text)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select i.outcome, i.reason from smartops_log.inbox i
     where i.role = session_user::text and i.handler = p_handler and i.cause = p_cause;
end;

-- Inbox: give a parked trigger another chance. Its event may lie below the low-water mark, where no
-- sweep looks: so the mark goes back in front of it.
create function smartops_log.unpark(p_handler text, p_cause uuid)
returns table (o_handler text, o_cause uuid, o_reason text, o_recorded_at timestamptz,
               o_payload bytea, o_position bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform from smartops_log.handlers h
      where h.role = session_user::text and h.handler = p_handler for update;  -- See unhandled().
    return query
        with freed as (
            delete from smartops_log.inbox i
             where i.role = session_user::text and i.handler = p_handler and i.cause = p_cause
               and i.outcome = 'parked'
            returning i.handler, i.cause, i.reason, i.recorded_at, i.payload),
        found as (
            select f.*, e.position from freed f
              left join smartops_log.events e on e.event_id = f.cause),
        lowered as (
            update smartops_log.handlers h
               set low_water = least(h.low_water, f.position - 1)
              from found f
             where h.role = session_user::text and h.handler = f.handler and f.position is not null)
        select f.handler, f.cause, f.reason, f.recorded_at, f.payload, f.position from found f;
end
$$;

-- Timers: those due by the database's clock, earliest first, and after them the next one.
-- A timer whose inbox row exists is settled (or parked): it waits for nobody.
create function smartops_log.due_timers(p_limit int)
returns table (o_timer_id uuid, o_handler text, o_stream text, o_name text, o_due_at timestamptz,
               o_cause uuid, o_payload bytea, o_late float8)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_now constant timestamptz := clock_timestamp();
begin
    return query
        with open as (
            select t.* from smartops_log.timers t
             where t.role = session_user::text
               and (select true from smartops_log.inbox i
                     where i.cause = t.timer_id and i.handler = t.handler and i.role = t.role
                     limit 1) is null),
        picked as (
            (select o.* from open o where o.due_at <= v_now order by o.due_at limit p_limit)
            union all
            (select o.* from open o where o.due_at > v_now order by o.due_at limit 1))
        select p.timer_id, p.handler, p.stream, p.name, p.due_at, p.cause, p.payload,
               extract(epoch from v_now - p.due_at)::float8
          from picked p
         order by p.due_at;
end
$$;

-- Handlers: made known once; a new one begins at the log's end unless told otherwise.
create function smartops_log.register_handlers(p_handlers text[], p_from bigint[])
returns table (o_handler text, o_from_position bigint, o_low_water bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into smartops_log.handlers (role, handler, from_position, low_water)
    select session_user::text, q.handler, coalesce(q.f, m.position), coalesce(q.f, m.position)
      from unnest(p_handlers, p_from) as q(handler, f)
     cross join (select coalesce(max(e.position), 0) from smartops_log.events e) as m(position)
        on conflict do nothing;
    return query
        select h.handler, h.from_position, h.low_water from smartops_log.handlers h
         where h.role = session_user::text and h.handler = any (p_handlers);
end
$$;

-- Sweeps: events above the low-water mark that are old enough and have no inbox row. Raises the
-- mark to where all is settled: in front of the first find, or to the last event looked at.
-- Events become visible in order of position, so nothing can appear below the mark later.
--
-- The handler's row stays locked meanwhile. Else: (1) a sweep sees event 150 parked, (2) unpark()
-- frees it and finds the mark at 100, low enough, (3) the sweep raises the mark to 200, and 150 is
-- never seen again.
create function smartops_log.unhandled(p_handler text, p_topics text[], p_parties text[],
                                       p_older_than interval, p_limit int)
returns setof smartops_log.events
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_role  constant text := session_user;
    v_old   constant timestamptz := clock_timestamp() - p_older_than;
    v_depth constant int := 20 * p_limit;
    v_low   bigint;
    v_last  bigint;
    v_found bigint[];
begin
    perform set_config('synchronous_commit', 'off', true);  -- A lost mark only repeats a search.
    select h.low_water into v_low from smartops_log.handlers h
     where h.role = v_role and h.handler = p_handler for update;
    if not found then
        raise exception 'handler % of % is not registered', p_handler, v_role
            using errcode = 'SO004', hint = 'Call register_handlers() first.';
    end if;

    -- Each topic oldest first and no deeper than v_depth: after a long outage many short sweeps
    -- instead of an endless one. The mark must not pass the end of a topic that was cut off.
    with looked as materialized (
        select q.topic, e.position,
               (select true from smartops_log.inbox i
                 where i.cause = e.event_id and i.handler = p_handler and i.role = v_role
                 limit 1) is null as is_open
          from unnest(p_topics) as q(topic)
         cross join lateral (
               select x.position, x.event_id from smartops_log.events x
                where x.topic = q.topic and x.position > v_low and x.recorded_at <= v_old
                  and (p_parties is null or x.party = any (p_parties))
                order by x.position limit v_depth) e),
    ends as (
        select max(l.position) as position, count(*) = v_depth as is_cut
          from looked l group by l.topic)
    select array(select l.position from looked l where l.is_open order by l.position limit p_limit),
           coalesce((select min(n.position) from ends n where n.is_cut),
                    (select max(n.position) from ends n))
      into v_found, v_last;

    v_last := least(v_last, v_found[1] - 1);
    if v_last > v_low then
        update smartops_log.handlers h set low_water = v_last
         where h.role = v_role and h.handler = p_handler;
    end if;
    if v_found <> '{}' then
        return query select e.* from smartops_log.events e
                      where e.position = any (v_found) order by e.position;
    end if;
end
$$;
