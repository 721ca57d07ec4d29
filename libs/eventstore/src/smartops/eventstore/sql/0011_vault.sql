-- The vault: what personal tokens in the log stand for, sealed to the tool gateway's key.
--
-- Outside the log, so that a value can be deleted while the history that names its token stays as it
-- is. What lies here cannot be read with this database alone. ADR 26.
create schema smartops_vault;

create table smartops_vault.entries (
    tenant     text        not null collate "C",
    task       uuid        not null,
    token      text        not null collate "C",
    kind       text        not null collate "C",
    key_id     text        collate "C",             -- which key opens it
    sealed     bytea,                               -- null: erased, and stays so
    first_seen timestamptz not null default clock_timestamp(),
    erased_at  timestamptz,
    -- A value is a task's own: a token that was read elsewhere resolves to nothing.
    primary key (tenant, task, token),
    constraint entries_token  check (token ~ '^[0-9a-f]{32}$'),
    constraint entries_kind   check (kind ~ '^[a-z]{1,20}$'),
    constraint entries_sealed check (octet_length(sealed) <= 65536),
    constraint entries_state  check ((sealed is null) = (erased_at is not null)
                                     and (sealed is null) = (key_id is null))
);
create index entries_token on smartops_vault.entries (tenant, token);
create index entries_old on smartops_vault.entries (first_seen) where sealed is not null;

-- Answers to `call.reveal`: sealed to a key that only the asker has, for minutes. In no event: those
-- are for ever.
create table smartops_vault.answers (
    tenant   text        not null collate "C",
    command  uuid        not null,
    tokens   text[]      not null,
    sealed   bytea       not null,
    given_at timestamptz not null default clock_timestamp(),
    primary key (tenant, command),
    constraint answers_sealed check (octet_length(sealed) <= 1048576)
);

-- Second lock: a function that forgot its tenant finds nothing. FORCE, as the owner runs them.
alter table smartops_vault.entries enable row level security;
alter table smartops_vault.entries force row level security;
alter table smartops_vault.answers enable row level security;
alter table smartops_vault.answers force row level security;
create policy own_tenant on smartops_vault.entries
    using (tenant = current_setting('smartops.vault_tenant', true)
           or current_setting('smartops.vault_tenant', true) = '*');
create policy own_tenant on smartops_vault.answers
    using (tenant = current_setting('smartops.vault_tenant', true)
           or current_setting('smartops.vault_tenant', true) = '*');

-- Keeps what is new to a task; what is there, or was erased, stays so: a repeated intent brings
-- nothing back.
create function smartops_vault.put(p_tenant text, p_task uuid, p_tokens text[], p_kinds text[],
                                   p_key_id text, p_sealed bytea[]) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('smartops.vault_tenant', p_tenant, true);
    insert into smartops_vault.entries (tenant, task, token, kind, key_id, sealed)
    select p_tenant, p_task, q.token, q.kind, p_key_id, q.sealed
      from unnest(p_tokens, p_kinds, p_sealed) as q(token, kind, sealed)
        on conflict do nothing;
end
$$;

-- What a task's tokens stand for; without a task, any task's. A row that was erased has no bytes.
create function smartops_vault.get(p_tenant text, p_task uuid, p_tokens text[])
returns table (o_token text, o_kind text, o_key_id text, o_sealed bytea)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('smartops.vault_tenant', p_tenant, true);
    return query
    select distinct on (x.token) x.token, x.kind, x.key_id, x.sealed
      from smartops_vault.entries x
     where x.tenant = p_tenant and x.token = any (p_tokens)
       and (p_task is null or x.task = p_task)
     order by x.token, (x.sealed is null), x.first_seen;
end
$$;

-- Deletes values, of a token, of a task, or of both, and answers that hold them. Returns how many values of that
-- description are gone by now: the same when it is asked twice.
create function smartops_vault.erase(p_tenant text, p_token text, p_task uuid) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_tokens text[];
    v_count  bigint;
begin
    if p_token is null and p_task is null then
        raise exception 'erase a token or a task, not everything' using errcode = 'SO003';
    end if;
    perform set_config('smartops.vault_tenant', p_tenant, true);
    select array_agg(x.token), count(*) into v_tokens, v_count
      from smartops_vault.entries x
     where x.tenant = p_tenant
       and (p_token is null or x.token = p_token) and (p_task is null or x.task = p_task);
    update smartops_vault.entries x
       set sealed = null, key_id = null, erased_at = clock_timestamp()
     where x.tenant = p_tenant and x.sealed is not null
       and (p_token is null or x.token = p_token) and (p_task is null or x.task = p_task);
    delete from smartops_vault.answers a where a.tenant = p_tenant and a.tokens && v_tokens;
    return v_count;
end
$$;

-- Leaves an answer for who asked.
create function smartops_vault.answer(p_tenant text, p_command uuid, p_tokens text[],
                                      p_sealed bytea) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if p_tenant is null then
        raise exception 'an answer needs a tenant' using errcode = 'SO003';
    end if;
    perform set_config('smartops.vault_tenant', p_tenant, true);
    insert into smartops_vault.answers (tenant, command, tokens, sealed)
    values (p_tenant, p_command, p_tokens, p_sealed)
        on conflict do nothing;
end
$$;

-- An answer of the reader's own tenant, for ten minutes.
create function smartops_vault.answer_to(p_command uuid) returns bytea
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('smartops.vault_tenant',
                       coalesce(nullif(current_setting('smartops.tenant', true), '*'), ''), true);
    return (select a.sealed from smartops_vault.answers a
             where a.command = p_command
               and a.given_at > clock_timestamp() - interval '10 minutes');
end
$$;

-- Values under another key than this one.
create function smartops_vault.under_other_keys(p_key_id text, p_limit int)
returns table (o_tenant text, o_task uuid, o_token text, o_key_id text, o_sealed bytea)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('smartops.vault_tenant', '*', true);
    return query select x.tenant, x.task, x.token, x.key_id, x.sealed
                   from smartops_vault.entries x
                  where x.key_id <> p_key_id order by x.tenant, x.task, x.token limit p_limit;
end
$$;

-- Puts a value under a newer key; one that was erased meanwhile stays erased.
create function smartops_vault.reseal(p_tenant text, p_task uuid, p_token text, p_old_key_id text,
                                      p_key_id text, p_sealed bytea) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('smartops.vault_tenant', p_tenant, true);
    update smartops_vault.entries x set key_id = p_key_id, sealed = p_sealed
     where x.tenant = p_tenant and x.task = p_task and x.token = p_token
       and x.key_id = p_old_key_id;
end
$$;

-- Deletes what nothing will ask for: answers that have run out, and values that were kept for an
-- event which was then never appended. Returns how many values.
create function smartops_vault.sweep(p_age interval) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
    v_count bigint;
begin
    perform set_config('smartops.vault_tenant', '*', true);
    delete from smartops_vault.answers a where a.given_at < clock_timestamp() - interval '10 minutes';
    delete from smartops_vault.entries x
     where x.first_seen < clock_timestamp() - p_age and x.sealed is not null
       and not exists (select from smartops_log.events e where e.task = x.task);
    get diagnostics v_count = row_count;
    return v_count;
end
$$;

revoke execute on all functions in schema smartops_vault from public;
grant usage on schema smartops_vault to
    smartops_planner, smartops_tool_gateway, smartops_reader;
grant execute on function smartops_vault.put(text, uuid, text[], text[], text, bytea[])
   to smartops_planner, smartops_tool_gateway;
grant execute on function
    smartops_vault.get(text, uuid, text[]),
    smartops_vault.erase(text, text, uuid),
    smartops_vault.answer(text, uuid, text[], bytea),
    smartops_vault.under_other_keys(text, int),
    smartops_vault.reseal(text, uuid, text, text, text, bytea),
    smartops_vault.sweep(interval)
   to smartops_tool_gateway;
grant execute on function smartops_vault.answer_to(uuid) to smartops_reader;
