-- The append: many units in one autocommitted statement, each stored atomically or not at all.
--
-- Parameters are flat arrays; units, streams, tenants are named by 1-based ordinals, so that no
-- name travels twice. Checks are ordered by unit, writes before reads; events are ordered as the
-- checks that they belong to (p_check_events says how many each has; 0 for a read condition).
--
-- Order of work, and why:
--   0. Whatever does not depend on other writers.
--   1. The advisory lock, as a statement of its own. The function is VOLATILE in READ COMMITTED, so
--      each later statement takes a new snapshot and sees what the last holder committed. The lock
--      is held to the end of the commit: positions become visible in their order, without gaps.
--   2. What is settled already (inbox, timers gone, ids of units without triggers), and the
--      current version of each named stream: one query each for the whole call.
--   3. The walk, unit by unit: `already` before `conflict` before acceptance. An accepted unit
--      raises the versions in memory, so that later units of the call meet it. A loser changes
--      nothing for its neighbours. Positions are given here, so a loser burns none.
--   4. The accepted rows, set-based.
--
-- Plans are made once per session, perhaps while the tables are empty, and kept while they grow. So
-- each look-up is a lateral one with a limit, or by `any (array)`: nothing is left to join but by
-- index. A plain join was planned as a hash over all of the inbox, and cost more with every row.
--
-- The chain, per tenant; all integers big-endian, texts in UTF-8, || is concatenation:
--   hash = SHA-256( previous hash (32 bytes; 32 zero bytes for the first)
--                || position  int64
--                || octets of stream int32 || stream
--                || version   int64
--                || event id  16 bytes
--                || octets of topic  int32 || topic
--                || SHA-256(state) )
-- Every field has a fixed width or its length in front: no two events share an encoding.
--
-- Caller: session_user, which SECURITY DEFINER leaves alone. Errors: SO001 category forbidden,
-- SO002 tenant mismatch, SO003 malformed call.
create function smartops_log.append_units(
    p_tenants         text[],
    p_streams         text[],
    p_stream_tenant   int[],
    p_units           int,
    p_check_unit      int[],
    p_check_stream    int[],
    p_check_version   bigint[],
    p_check_events    int[],
    p_event_id        uuid[],
    p_event_topic     text[],
    p_event_task      uuid[],
    p_event_cause     uuid[],
    p_event_party     text[],
    p_event_state     bytea[],
    p_event_subject   text[],       -- null: not published
    p_cite_unit       int[],
    p_cite_stream     int[],
    p_cite_version    bigint[],
    p_cite_digest     bytea[],      -- SHA-256 of the state that must stand there
    p_bare_unit       int[],        -- units without triggers: each of their events, by ordinal
    p_bare_event      int[],
    p_trigger_unit    int[],
    p_trigger_handler text[],
    p_trigger_cause   uuid[],
    p_trigger_outcome text[],
    p_trigger_reason  text[],
    p_trigger_timer   boolean[],
    p_timer_unit      int[],
    p_timer_id        uuid[],
    p_timer_handler   text[],
    p_timer_stream    text[],
    p_timer_name      text[],
    p_timer_due       timestamptz[],    -- or, where null:
    p_timer_delay     float8[],         -- seconds from now
    p_timer_cause     uuid[],
    p_timer_payload   bytea[],
    p_cancel_unit     int[],
    p_cancel_id       uuid[],
    p_blob_unit       int[],
    p_blob_tenant     int[],
    p_blob_content    bytea[],
    out o_status      int[],            -- per unit: 0 committed, 1 already, 2 conflict
    out o_first       bigint[],         -- per unit: its first event's position
    out o_stream      int[],            -- per unit: the first mismatching stream
    out o_actual      bigint[],         -- per unit: that stream's version
    out o_settled     int[],            -- trigger ordinals; negative: event ordinals of bare units
    out o_now         timestamptz       -- the clock, at the latest point before the commit
)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
    v_role     constant text := session_user;
    v_checks   constant int := cardinality(p_check_unit);
    v_events   constant int := cardinality(p_event_id);
    v_digests  bytea[];             -- per event: SHA-256 of its state
    v_settled  int[];
    v_versions bigint[];            -- per stream: its version, as the walk goes on
    v_allowed  boolean[];           -- per stream: the role may write it
    v_names    bytea[];             -- per stream: its part of the hashed bytes
    v_sound    boolean;
    v_hash     bytea[];             -- per tenant: the chain's end, as the walk goes on
    v_ordinal  bigint[];
    v_position bigint := 0;         -- the log's end, as the walk goes on
    v_hits     boolean[];           -- per unit: settled
    v_false    int[];               -- units that cite what the log does not hold
    v_at       int[];               -- per such citation: the stream
    v_whole    boolean := true;     -- every unit is accepted
    -- Filled with nulls first: assigning element 3 of an empty array makes an array that begins at
    -- 3, and unnest() would pair it with the wrong events.
    a_check    int[] := array_fill(null::int, array[cardinality(p_event_id)]);
    a_hash     bytea[] := array_fill(null::bytea, array[cardinality(p_event_id)]);
    -- Per accepted write: what to add to an event's place in the call to get its position,
    -- version and place in the chain.
    a_position bigint[] := '{}';
    a_version  bigint[] := '{}';
    a_ordinal  bigint[] := '{}';
    c          int := 1;            -- the next check
    i          int := 0;            -- the last event seen
    u          int;
    k          int;
    n          int;
    s          int;
    t          int;
    v          bigint;
    o          bigint;
    h          bytea;
    v_from     int;
    v_ok       boolean;
begin
    -- 0. What needs no lock: hashing the states takes a third of the time of a large batch.
    v_digests := array(select sha256(q.state)
                         from unnest(p_event_state) with ordinality as q(state, ord)
                        order by q.ord);

    -- What others can read must not be lost again, whatever the caller's session says.
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'on', true);
    end if;

    -- 1. One writer at a time.
    perform pg_advisory_xact_lock(8317411231030800499);

    -- 2. What is settled, and where the streams stand.
    v_settled := array(
        select q.ord::int
          from unnest(p_trigger_handler, p_trigger_cause) with ordinality as q(handler, cause, ord)
         cross join lateral (
               select from smartops_log.inbox x
                where x.cause = q.cause and x.handler = q.handler and x.role = v_role limit 1) x);
    if true = any (p_trigger_timer) then
        v_settled := v_settled || array(
            select q.ord::int
              from unnest(p_trigger_cause, p_trigger_timer) with ordinality as q(cause, timer, ord)
              left join lateral (
                   select true as waits from smartops_log.timers x
                    where x.role = v_role and x.timer_id = q.cause limit 1) x on true
             where q.timer and q.ord <> all (v_settled) and x.waits is null);
    end if;
    if p_bare_event <> '{}' then
        v_settled := v_settled || array(
            select -q.e
              from unnest(p_bare_event) as q(e)
             cross join lateral (
                   select from smartops_log.events x
                    where x.event_id = p_event_id[q.e] limit 1) x);
    end if;

    if p_streams <> '{}' then
        select array_agg(coalesce(x.version, 0) order by q.ord),
               array_agg(q.category = any (m.categories) order by q.ord),
               array_agg(int4send(octet_length(q.name)) || convert_to(q.name, 'UTF8')
                         order by q.ord),
               bool_and(q.name ~ '^[a-z0-9_][a-z0-9_-]*/[a-z][a-z_]*-[!-~]+$'
                        and length(q.name) <= 300)
          into v_versions, v_allowed, v_names, v_sound
          from (select ord, name, split_part(split_part(name, '/', 2), '-', 1) as category
                  from unnest(p_streams) with ordinality as r(name, ord)) as q
         cross join (select array(select w.category from smartops_log.writers w
                                   where w.role = v_role)) as m(categories)
          left join lateral (
               select e.version from smartops_log.events e
                where e.stream = q.name order by e.version desc limit 1) x on true;
        if not v_sound then
            raise exception 'malformed stream name among %', p_streams
                using errcode = 'SO003', hint = 'Write <tenant>/<category>-<id>.';
        end if;
    end if;

    if p_cite_unit <> '{}' then
        select array_agg(q.unit), array_agg(q.stream)
          into v_false, v_at
          from unnest(p_cite_unit, p_cite_stream, p_cite_version, p_cite_digest)
               as q(unit, stream, version, digest)
          left join lateral (
               select sha256(e.state) as digest from smartops_log.events e
                where e.stream = p_streams[q.stream] and e.version = q.version limit 1) x on true
         where x.digest is distinct from q.digest;
    end if;

    if v_events > 0 then
        select array_agg(coalesce(x.hash, decode(repeat('00', 32), 'hex')) order by q.ord),
               array_agg(coalesce(x.ordinal, 0) order by q.ord),
               coalesce((select e.position from smartops_log.events e
                          order by e.position desc limit 1), 0)
          into v_hash, v_ordinal, v_position
          from unnest(p_tenants) with ordinality as q(name, ord)
          left join lateral (
               select e.hash, e.ordinal from smartops_log.events e
                where e.tenant = q.name order by e.ordinal desc limit 1) x on true;
    end if;

    -- 3. The walk.
    o_status := array_fill(0, array[p_units]);
    o_first := array_fill(null::bigint, array[p_units]);
    o_stream := array_fill(null::int, array[p_units]);
    o_actual := array_fill(null::bigint, array[p_units]);
    o_settled := v_settled;
    if v_settled <> '{}' then
        v_hits := array_fill(false, array[p_units]);
        foreach k in array v_settled loop
            if k > 0 then
                v_hits[p_trigger_unit[k]] := true;
            else
                v_hits[p_bare_unit[array_position(p_bare_event, -k)]] := true;
            end if;
        end loop;
    end if;

    for u in 1 .. p_units loop
        v_from := c;
        v_ok := v_hits is null or not v_hits[u];
        if not v_ok then
            o_status[u] := 1;
        end if;
        while c <= v_checks and p_check_unit[c] = u loop
            if v_ok and v_versions[p_check_stream[c]] is distinct from p_check_version[c] then
                v_ok := false;
                o_status[u] := 2;
                o_stream[u] := p_check_stream[c];
                o_actual[u] := v_versions[p_check_stream[c]];
            end if;
            c := c + 1;
        end loop;
        if v_ok and v_false is not null and u = any (v_false) then
            v_ok := false;
            o_status[u] := 2;
            o_stream[u] := v_at[array_position(v_false, u)];
            o_actual[u] := v_versions[o_stream[u]];
        end if;
        if v_ok then
            o_first[u] := v_position + 1;
        else
            v_whole := false;
        end if;
        for k in v_from .. c - 1 loop
            n := p_check_events[k];
            if n > 0 and v_ok then
                s := p_check_stream[k];
                t := p_stream_tenant[s];
                if v_allowed[s] is not true then
                    raise exception 'role % may not write stream %', v_role, p_streams[s]
                        using errcode = 'SO001',
                              hint = 'Categories per role stand in smartops_log.writers.';
                end if;
                if starts_with(p_streams[s], p_tenants[t] || '/') is not true then
                    raise exception 'stream % does not belong to tenant %', p_streams[s],
                        p_tenants[t] using errcode = 'SO002';
                end if;
                v := p_check_version[k];
                o := v_ordinal[t];
                h := v_hash[t];
                a_position[k] := v_position - i;
                a_version[k] := v - i;
                a_ordinal[k] := o - i;
                for j in 1 .. n loop
                    i := i + 1;
                    v := v + 1;
                    v_position := v_position + 1;
                    h := sha256(h || int8send(v_position) || v_names[s] || int8send(v)
                        || uuid_send(p_event_id[i]) || int4send(octet_length(p_event_topic[i]))
                        || convert_to(p_event_topic[i], 'UTF8') || v_digests[i]);
                    a_check[i] := k;
                    a_hash[i] := h;
                end loop;
                v_hash[t] := h;
                v_ordinal[t] := o + n;
                v_versions[s] := v;
            else
                i := i + n;
            end if;
        end loop;
    end loop;
    if c <= v_checks or i <> v_events then
        raise exception 'checks and events do not add up: % of % checks, % of % events',
            c - 1, v_checks, i, v_events using errcode = 'SO003';
    end if;

    -- 4. The accepted rows.
    o_now := clock_timestamp();
    if a_check <> '{}' then
        insert into smartops_log.events (position, tenant, ordinal, stream, version, event_id,
                topic, task, cause, party, state, hash, recorded_at)
        select q.ord + a_position[q.k], p_tenants[p_stream_tenant[p_check_stream[q.k]]],
               q.ord + a_ordinal[q.k], p_streams[p_check_stream[q.k]], q.ord + a_version[q.k],
               q.id, q.topic, q.task, q.cause, q.party, q.state, q.hash, o_now
          from unnest(a_check, a_hash, p_event_id, p_event_topic, p_event_task, p_event_cause,
                      p_event_party, p_event_state) with ordinality
               as q(k, hash, id, topic, task, cause, party, state, ord)
         where q.k is not null;

        insert into smartops_log.outbox (role, position, subject)
        select v_role, q.ord + a_position[q.k], q.subject
          from unnest(a_check, p_event_subject) with ordinality as q(k, subject, ord)
         where q.k is not null and q.subject is not null;
    end if;

    if p_trigger_unit <> '{}' then
        insert into smartops_log.inbox (role, handler, cause, outcome, reason, recorded_at)
        select v_role, q.handler, q.cause, q.outcome, q.reason, o_now
          from unnest(p_trigger_unit, p_trigger_handler, p_trigger_cause, p_trigger_outcome,
                      p_trigger_reason) as q(unit, handler, cause, outcome, reason)
         where v_whole or o_status[q.unit] = 0;

        if true = any (p_trigger_timer) then
            delete from smartops_log.timers x
             where x.role = v_role and x.timer_id = any (array(
                   select q.cause
                     from unnest(p_trigger_unit, p_trigger_cause, p_trigger_timer)
                          as q(unit, cause, timer)
                    where q.timer and o_status[q.unit] = 0));
        end if;
    end if;

    if p_timer_unit <> '{}' then
        insert into smartops_log.timers (timer_id, role, handler, stream, name, due_at, cause,
                payload)
        select q.id, v_role, q.handler, q.stream, q.name,
               coalesce(q.due, o_now + make_interval(secs => q.delay)), q.cause, q.payload
          from unnest(p_timer_unit, p_timer_id, p_timer_handler, p_timer_stream, p_timer_name,
                      p_timer_due, p_timer_delay, p_timer_cause, p_timer_payload)
               as q(unit, id, handler, stream, name, due, delay, cause, payload)
         where v_whole or o_status[q.unit] = 0
            on conflict (role, timer_id) do update
               set handler = excluded.handler, stream = excluded.stream, name = excluded.name,
                   due_at = excluded.due_at, cause = excluded.cause, payload = excluded.payload;
    end if;
    if p_cancel_unit <> '{}' then
        delete from smartops_log.timers x
         where x.role = v_role and x.timer_id = any (array(
               select q.id from unnest(p_cancel_unit, p_cancel_id) as q(unit, id)
                where o_status[q.unit] = 0));
    end if;

    if p_blob_unit <> '{}' then
        if exists (select from unnest(p_blob_tenant) as q(t)
                    where p_tenants[q.t] is null or p_tenants[q.t] !~ '^[a-z0-9_][a-z0-9_-]*$') then
            raise exception 'a blob needs a tenant' using errcode = 'SO003';
        end if;
        insert into smartops_log.blobs (tenant, content)
        select p_tenants[q.tenant], q.content
          from unnest(p_blob_unit, p_blob_tenant, p_blob_content) as q(unit, tenant, content)
         where v_whole or o_status[q.unit] = 0
            on conflict do nothing;
    end if;
end
$$;
