-- How far a role's recorders have come with what other applications tell: one number per application.

create table smartops_log.tracking (
    role            text   not null collate "C",
    application     text   not null collate "C",
    notification_id bigint not null,
    primary key (role, application),
    constraint tracking_application check (length(application) between 1 and 200)
);
comment on table smartops_log.tracking is
    'The highest notification that was processed; it only rises.';

-- A row per application is updated with each notification: keep its versions on one page.
alter table smartops_log.tracking set (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- Notes that a notification was processed. Called in the same statement as append_units(), behind it,
-- so both are stored or neither. A number that is not above the noted one was processed before, by
-- somebody else: that undoes the whole statement, events included.
create function smartops_log.track(p_application text, p_notification_id bigint) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into smartops_log.tracking as t (role, application, notification_id)
    values (session_user::text, p_application, p_notification_id)
        on conflict (role, application) do update set notification_id = excluded.notification_id
     where t.notification_id < excluded.notification_id;
    if not found then
        raise exception 'notification % of % was tracked already', p_notification_id, p_application
            using errcode = 'unique_violation',
                  detail = format('Notification %s of %s, or a later one, was tracked already.',
                                  p_notification_id, p_application);
    end if;
end
$$;

-- The role's highest notification of an application; null before the first.
create function smartops_log.tracked(p_application text) returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select t.notification_id from smartops_log.tracking t
     where t.role = session_user::text and t.application = p_application;
end;

revoke execute on function
    smartops_log.track(text, bigint), smartops_log.tracked(text) from public;
grant execute on function
    smartops_log.track(text, bigint), smartops_log.tracked(text)
   to smartops_planner, smartops_policy, smartops_runner, smartops_tool_gateway, smartops_audit;
