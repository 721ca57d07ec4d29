-- Snapshots of folds: a cache of what the log says anyway, to be thrown away at any time.
--
-- Never truth: who reads one checks its digest, the code that made it, and that the log still holds
-- the event it ends with, by that event's place in the hash chain. What fails is as good as absent.
-- A role finds its own only, so the worst it can do with a false one is to fool itself.
create table smartops_log.snapshots (
    role         text        not null collate "C",
    stream       text        not null collate "C",
    fold         text        not null collate "C",
    fold_version int         not null,
    version      bigint      not null,
    hash         bytea       not null,      -- events.hash of the last event that is folded in
    body         bytea       not null,
    sha256       bytea       not null,      -- of all of the above; encoding: see snapshots.py
    taken_at     timestamptz not null default clock_timestamp(),
    -- One per fold: a newer one takes the place of the older, one of other code that of this code.
    primary key (role, stream, fold),
    constraint snapshots_stream  check (length(stream) between 1 and 300),
    constraint snapshots_fold    check (length(fold) between 1 and 100),
    constraint snapshots_version check (version > 0),
    constraint snapshots_hash    check (octet_length(hash) = 32 and octet_length(sha256) = 32),
    constraint snapshots_body    check (octet_length(body) <= 8388608)
);

-- Half of a body is random ids: compressing it costs both sides more than it saves.
alter table smartops_log.snapshots alter column body set storage external;

-- A role's snapshot of a stream by a fold, as stored.
create function smartops_log.snapshot(p_stream text, p_fold text)
returns table (o_stream text, o_fold text, o_fold_version int, o_version bigint, o_hash bytea,
               o_body bytea, o_sha256 bytea)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select s.stream, s.fold, s.fold_version, s.version, s.hash, s.body, s.sha256
      from smartops_log.snapshots s
     where s.role = session_user::text and s.stream = p_stream and s.fold = p_fold;
end;

-- Stores a snapshot in place of the one before, even of a newer one: only so a damaged row is sure to
-- be replaced. Not worth a wait for the disk.
create function smartops_log.put_snapshot(p_stream text, p_fold text, p_fold_version int,
                                          p_version bigint, p_hash bytea, p_body bytea,
                                          p_sha256 bytea) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('synchronous_commit', 'off', true);
    insert into smartops_log.snapshots (role, stream, fold, fold_version, version, hash, body,
                                        sha256)
    values (session_user::text, p_stream, p_fold, p_fold_version, p_version, p_hash, p_body,
            p_sha256)
        on conflict (role, stream, fold) do update
       set fold_version = excluded.fold_version, version = excluded.version, hash = excluded.hash,
           body = excluded.body, sha256 = excluded.sha256, taken_at = excluded.taken_at;
end
$$;

-- Throws a role's own away: all, or those of one fold. Returns how many there were.
create function smartops_log.drop_snapshots(p_fold text) returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
    with dropped as (
        delete from smartops_log.snapshots s
         where s.role = session_user::text and (p_fold is null or s.fold = p_fold)
        returning 1)
    select count(*) from dropped;
end;

revoke execute on function
    smartops_log.snapshot(text, text),
    smartops_log.put_snapshot(text, text, int, bigint, bytea, bytea, bytea),
    smartops_log.drop_snapshots(text) from public;
grant execute on function
    smartops_log.snapshot(text, text),
    smartops_log.put_snapshot(text, text, int, bigint, bytea, bytea, bytea),
    smartops_log.drop_snapshots(text)
   to smartops_planner, smartops_policy, smartops_runner, smartops_tool_gateway, smartops_audit;
