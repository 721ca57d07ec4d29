-- What every run of the migrations needs before the first file: roles, schema, list of migrations.
-- Runs each time, in one transaction, and changes nothing that is there already.
--
-- Roles belong to the cluster, not to the database: another database's run may create them at the
-- same moment. So a lost race (duplicate_object, or unique_violation on pg_authid) is success.
do $$
declare
    v_role text;
    v_lock regprocedure;
begin
    foreach v_role in array array[
        'smartops_owner', 'smartops_planner', 'smartops_policy', 'smartops_runner',
        'smartops_tool_gateway', 'smartops_audit', 'smartops_reader'
    ] loop
        if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
            begin
                -- Without a password nobody can log in yet: set_role_passwords() opens the door.
                execute format(
                    'create role %I %s nosuperuser nocreatedb nocreaterole noreplication nobypassrls',
                    v_role, case v_role when 'smartops_owner' then 'nologin' else 'login' end);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;

    -- A migrator that is no superuser acts as the owner by membership.
    if not pg_has_role(current_user, 'smartops_owner', 'member') then
        execute format('grant smartops_owner to %I', current_user);
    end if;

    execute format('grant create, connect on database %I to smartops_owner', current_database());
    execute format('grant connect on database %I to smartops_planner, smartops_policy, '
        'smartops_runner, smartops_tool_gateway, smartops_audit, smartops_reader',
        current_database());
    -- PostgreSQL lets everybody in, and everybody fill the disk with temporary tables. Audit alone
    -- needs them: a rebuild for comparison.
    execute format('revoke connect, temporary on database %I from public', current_database());
    execute format('grant temporary on database %I to smartops_audit', current_database());

    -- And everybody may take any advisory lock: who holds that of the append stops all writers, even
    -- a reader. Only the append, as the owner, and audit's projector need one. PostgreSQL lets none
    -- but a superuser say so.
    if (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        for v_lock in
            select p.oid::regprocedure from pg_catalog.pg_proc p
             where p.pronamespace = 'pg_catalog'::regnamespace
               and p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
               and has_function_privilege('public', p.oid, 'execute')
        loop
            execute format('revoke execute on function %s from public', v_lock);
            execute format('grant execute on function %s to smartops_owner', v_lock);
        end loop;
        grant execute on function pg_try_advisory_lock(bigint) to smartops_audit;
    end if;
end
$$;

create schema if not exists smartops_log authorization smartops_owner;

-- Functions are executable by everybody unless told otherwise. Never for ours.
alter default privileges for role smartops_owner revoke execute on functions from public;

set local role smartops_owner;

create table if not exists smartops_log.migrations (
    source     text        not null,
    version    int         not null,
    name       text        not null,
    sha256     bytea       not null,
    applied_at timestamptz not null default clock_timestamp(),
    ms         bigint      not null,
    primary key (source, version)
);

reset role;
