-- Who may do what. infra/postgres/README.md shows the same as a table, and a test compares both.

grant usage on schema smartops_log to
    smartops_planner, smartops_policy, smartops_runner, smartops_tool_gateway, smartops_audit;

grant select on smartops_log.events, smartops_log.blobs, smartops_log.heads to
    smartops_planner, smartops_policy, smartops_runner, smartops_tool_gateway, smartops_audit;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select p.oid::regprocedure from pg_proc p
         where p.pronamespace = 'smartops_log'::regnamespace and p.prorettype <> 'trigger'::regtype
    loop
        execute format('revoke execute on function %s from public', v_function);
        execute format('grant execute on function %s to smartops_planner, smartops_policy, '
            'smartops_runner, smartops_tool_gateway, smartops_audit', v_function);
    end loop;
end
$$;
