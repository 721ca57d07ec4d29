-- A new generation of the read models is built beside the one that people look at, from the log, and
-- takes its place in one transaction. Until then nobody sees anything of it; afterwards nobody sees
-- anything of the old one. Tables are moved, not copied: the switch takes milliseconds at any size.
--
-- Audit has no right to change tables. These functions, which belong to the owner, let it do this.

create schema smartops_next;   -- Where a generation is built.
create schema smartops_last;   -- Where the old one stands for the moment of the switch.
grant usage on schema smartops_next to smartops_audit;

alter table smartops.progress add column generation bigint not null default 1;
comment on column smartops.progress.generation is
    'Rises with each switch. Whoever projects writes only to the generation that it has read.';

create function smartops.drop_generation() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_table regclass;
begin
    for v_table in
        select c.oid from pg_class c
         where c.relnamespace = 'smartops_next'::regnamespace and c.relkind = 'r'
    loop
        execute format('drop table %s', v_table);
    end loop;
end
$$;

-- Empty tables like those named, with the same indexes, policies and grants under the same names.
-- Unlogged: what a crash would spoil is begun again anyway. See keep_generation().
create function smartops.begin_generation(p_tables text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_name   text;
    v_old    pg_class;
    v_part   text;
begin
    perform smartops.drop_generation();
    foreach v_name in array p_tables loop
        select c.* into strict v_old from pg_class c
         where c.relnamespace = 'smartops'::regnamespace and c.relname = v_name and c.relkind = 'r';
        execute format('create unlogged table smartops_next.%I '
            '(like smartops.%I including all excluding indexes)', v_name, v_name);
        if v_old.reloptions is not null then
            execute format('alter table smartops_next.%I set (%s)', v_name,
                array_to_string(v_old.reloptions, ', '));
        end if;
        for v_part in
            select format('alter table smartops_next.%I add constraint %I %s', v_name, c.conname,
                          pg_get_constraintdef(c.oid))
              from pg_constraint c where c.conrelid = v_old.oid and c.contype in ('p', 'u')
            union all
            select replace(pg_get_indexdef(i.indexrelid), format(' ON smartops.%I ', v_name),
                           format(' ON smartops_next.%I ', v_name))
              from pg_index i
             where i.indrelid = v_old.oid
               and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
            union all
            select format('create policy %I on smartops_next.%I as %s for %s to %s%s%s', p.polname,
                          v_name, case when p.polpermissive then 'permissive' else 'restrictive' end,
                          case p.polcmd when 'r' then 'select' when 'a' then 'insert'
                               when 'w' then 'update' when 'd' then 'delete' else 'all' end,
                          coalesce((select string_agg(quote_ident(r.rolname), ', ')
                                      from pg_roles r where r.oid = any (p.polroles)), 'public'),
                          ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                          coalesce(' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')',
                                   ''))
              from pg_policy p where p.polrelid = v_old.oid
            union all
            select format('grant %s on smartops_next.%I to %I', a.privilege_type, v_name, r.rolname)
              from aclexplode(v_old.relacl) a
              join pg_roles r on r.oid = a.grantee
             where a.grantee <> v_old.relowner
        loop
            execute v_part;
        end loop;
        if v_old.relrowsecurity then
            execute format('alter table smartops_next.%I enable row level security', v_name);
        end if;
        if v_old.relforcerowsecurity then
            execute format('alter table smartops_next.%I force row level security', v_name);
        end if;
    end loop;
end
$$;

-- Writes the new generation to the log of the database's own, so that a crash spares it, and counts
-- its rows for the planner.
create function smartops.keep_generation(p_tables text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_name text;
begin
    foreach v_name in array p_tables loop
        execute format('alter table smartops_next.%I set logged', v_name);
        execute format('analyze smartops_next.%I', v_name);
    end loop;
end
$$;

-- Puts the new generation in the place of the old one. Whoever calls it holds `progress` locked since
-- before the new one has come as far as the old one, and has waited until every transaction that began
-- before that was over: moving a table asks no snapshot, so such a transaction would find the new
-- tables empty, or half full.
--
-- Views name tables by number: they are made again, after the move, of their own text. So both are
-- locked, views first, as readers do it, and all at once or none: a reader that has passed the view and
-- waits for a table that we hold would be waited for by us. A short while the gap between readers is
-- looked for; then they are made to queue for a fifth of a second. That is shorter than the deadlock
-- detector takes: whoever is in the way of whom, it is us who yields, by an error of lock_timeout.
create function smartops.switch_generation(p_tables text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_names text;
    v_above regclass[];
    v_old   smartops.progress;
    v_new   bigint;
    v_views text[];
    v_part  text;
    v_tables regclass[];
    v_view  regclass;
    v_until constant timestamptz := clock_timestamp() + interval '500 ms';
    v_waits boolean := false;
begin
    select string_agg(format('smartops.%I', n), ', ' order by ord),
           array_agg(format('smartops.%I', n)::regclass)
      into v_names, v_tables
      from unnest(p_tables) with ordinality as t(n, ord);
    v_above := array(
        select distinct r.ev_class::regclass
          from pg_depend d join pg_rewrite r on r.oid = d.objid
         where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass
           and d.refobjid = any (v_tables) and r.ev_class <> all (v_tables));
    loop
        begin
            perform set_config('lock_timeout', case when v_waits then '200ms' else '5ms' end, true);
            foreach v_view in array v_above loop
                -- Changes nothing. LOCK TABLE of a view would also lock what it reads, the log included.
                execute format('alter view %s owner to smartops_owner', v_view);
            end loop;
            execute format('lock table %s in access exclusive mode', v_names);
            exit;
        exception when lock_not_available then
            if v_waits then
                raise;
            end if;
            v_waits := clock_timestamp() > v_until;
        end;
        perform pg_sleep(0.001);
    end loop;

    select p.* into v_old from smartops.progress p;
    select p.position into strict v_new from smartops_next.progress p;
    if v_new < v_old.position then
        raise exception 'the new read models end at %, the old ones at %', v_new, v_old.position
            using errcode = '55000', hint = 'Catch up before the switch: nobody may see a task go back.';
    end if;
    update smartops_next.progress set generation = coalesce(v_old.generation, 0) + 1;

    v_views := array(
        select format('create or replace view %s%s as %s', c.oid::regclass,
                      coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''),
                      pg_get_viewdef(c.oid))
          from pg_class c where c.oid = any (v_above));
    foreach v_part in array p_tables loop
        execute format('alter table smartops.%I set schema smartops_last', v_part);
        execute format('alter table smartops_next.%I set schema smartops', v_part);
    end loop;
    foreach v_part in array v_views loop
        execute v_part;
    end loop;
    foreach v_part in array p_tables loop
        execute format('drop table smartops_last.%I', v_part);
    end loop;
end
$$;

revoke execute on function smartops.drop_generation(), smartops.begin_generation(text[]),
    smartops.keep_generation(text[]), smartops.switch_generation(text[]) from public;
grant execute on function smartops.drop_generation(), smartops.begin_generation(text[]),
    smartops.keep_generation(text[]), smartops.switch_generation(text[]) to smartops_audit;
