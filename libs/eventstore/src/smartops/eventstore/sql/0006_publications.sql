-- How far each role's events are known to be published, with one of them as a witness: a bus that was
-- lost, or restored from an old copy, is told apart from one that is whole.

create table smartops_log.publications (
    role     text        not null collate "C",
    noted_at timestamptz not null default clock_timestamp(),
    position bigint      not null,      -- own events up to here were acknowledged
    medium   text        not null,      -- which incarnation of which stream did so
    place    bigint      not null,      -- the witness's place there
    witness  uuid        not null,      -- id of the event that was acknowledged last
    primary key (role, noted_at),
    constraint publications_sane check (position >= 0 and place > 0 and length(medium) <= 200)
);

-- Notes how far a role is: up to before the first event that still waits in its outbox. Not worth a
-- wait for the disk: a lost note makes a few events be published again, under the same message ids.
create function smartops_log.note_published(p_position bigint, p_medium text, p_place bigint,
                                            p_witness uuid, p_keep interval) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    perform set_config('synchronous_commit', 'off', true);
    insert into smartops_log.publications (role, position, medium, place, witness)
    select session_user::text, least(p_position, min(o.position) - 1), p_medium, p_place, p_witness
      from smartops_log.outbox o where o.role = session_user::text;
    delete from smartops_log.publications p
     where p.role = session_user::text and p.noted_at < clock_timestamp() - p_keep;
end
$$;

-- A role's own notes, newest first, older than a moment if one is given.
create function smartops_log.publications_before(p_before timestamptz, p_limit int)
returns table (o_noted_at timestamptz, o_position bigint, o_medium text, o_place bigint,
               o_witness uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select p.noted_at, p.position, p.medium, p.place, p.witness
      from smartops_log.publications p
     where p.role = session_user::text and (p_before is null or p.noted_at < p_before)
     order by p.noted_at desc
     limit p_limit;
end;

revoke execute on function
    smartops_log.note_published(bigint, text, bigint, uuid, interval),
    smartops_log.publications_before(timestamptz, int) from public;
grant execute on function
    smartops_log.note_published(bigint, text, bigint, uuid, interval),
    smartops_log.publications_before(timestamptz, int)
   to smartops_planner, smartops_policy, smartops_runner, smartops_tool_gateway, smartops_audit;
