-- Sweeps and leftovers when the database's clock has been set back.
--
-- Times of the log then no longer rise with its positions. With "recorded long enough ago" alone,
-- (1) event 100 is recorded, (2) the clock is set back by an hour, (3) event 101 is recorded and
-- handled, (4) a sweep sees 101, which is old enough after some seconds, but not 100, which will be
-- only in an hour, and raises the mark to 101: 100 is never seen again.
-- So an event from the future counts as old, the clock it was recorded by being gone; and the mark
-- stops in front of the first event that is still too young to be looked at. The clock is read for
-- each row: by an earlier reading, what was recorded just now would be from the future.

-- Outbox: what is left over, found by state and never by a cursor.
create or replace function smartops_log.outbox_pending(p_older_than interval, p_limit int)
returns table (o_position bigint, o_subject text, o_event_id uuid, o_state bytea)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select o.position, o.subject, e.event_id, e.state
      from smartops_log.outbox o
     cross join lateral (
           select x.event_id, x.state, x.recorded_at from smartops_log.events x
            where x.position = o.position limit 1) e
     where o.role = session_user::text
       and e.recorded_at not between clock_timestamp() - p_older_than and clock_timestamp()
     order by o.position
     limit p_limit;
end;

-- Sweeps: events above the low-water mark that are old enough and have no inbox row. Raises the
-- mark to where all is settled: in front of the first find, or to the last event looked at.
-- Events become visible in order of position, so nothing can appear below the mark later.
--
-- The handler's row stays locked meanwhile. Else: (1) a sweep sees event 150 parked, (2) unpark()
-- frees it and finds the mark at 100, low enough, (3) the sweep raises the mark to 200, and 150 is
-- never seen again.
create or replace function smartops_log.unhandled(p_handler text, p_topics text[], p_parties text[],
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
    v_young bigint;
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
        select q.topic, e.position, e.is_young,
               case when e.is_young then false else
                   (select true from smartops_log.inbox i
                     where i.cause = e.event_id and i.handler = p_handler and i.role = v_role
                     limit 1) is null end as is_open
          from unnest(p_topics) as q(topic)
         cross join lateral (
               select x.position, x.event_id,
                      x.recorded_at between v_old and clock_timestamp() as is_young
                 from smartops_log.events x
                where x.topic = q.topic and x.position > v_low
                  and (p_parties is null or x.party = any (p_parties))
                order by x.position limit v_depth) e),
    ends as (
        select max(l.position) as position, count(*) = v_depth as is_cut
          from looked l group by l.topic)
    select array(select l.position from looked l where l.is_open order by l.position limit p_limit),
           coalesce((select min(n.position) from ends n where n.is_cut),
                    (select max(n.position) from ends n)),
           (select min(l.position) from looked l where l.is_young)
      into v_found, v_last, v_young;

    v_last := least(v_last, v_found[1] - 1, v_young - 1);
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
