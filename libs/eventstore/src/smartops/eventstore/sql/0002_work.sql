-- Work in progress: inbox, outbox, timers, handlers; and who may write what.
-- All rows belong to one role, and only functions that compare it with session_user touch them.

create table smartops_log.inbox (
    role        text        not null collate "C",
    handler     text        not null collate "C",
    cause       uuid        not null,
    outcome     text        not null,
    reason      text,
    payload     bytea,
    tenant      text        collate "C",    -- of a parked command; an event's stands in the log
    recorded_at timestamptz not null default clock_timestamp(),
    -- Per role: no service can settle another's triggers, whatever it calls its handlers.
    -- Cause first: it alone tells most rows apart, so comparisons end after 16 bytes.
    primary key (cause, handler, role),
    constraint inbox_outcome check (outcome in ('handled', 'refused', 'parked')),
    constraint inbox_handler check (length(handler) between 1 and 200),
    constraint inbox_parked check (outcome <> 'parked' or reason is not null)
);
create index inbox_parked on smartops_log.inbox (role, recorded_at) where outcome = 'parked';

-- Role first: one service's backlog is not in the way of another's sweep.
create table smartops_log.outbox (
    role     text   not null collate "C",
    position bigint not null,
    subject  text   not null collate "C",
    primary key (role, position),
    constraint outbox_subject check (length(subject) between 1 and 1000)
);

create table smartops_log.timers (
    role     text        not null collate "C",
    timer_id uuid        not null,
    handler  text        not null collate "C",
    stream   text        not null collate "C",
    name     text        not null collate "C",
    due_at   timestamptz not null,
    cause    uuid,
    payload  bytea,
    primary key (role, timer_id)
);
create index timers_due on smartops_log.timers (role, due_at);

-- Rows come and go with every task: vacuum early, so that the sweeps do not wade through dead ones.
alter table smartops_log.outbox set (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 20000);
alter table smartops_log.timers set (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

create table smartops_log.handlers (
    role          text   not null collate "C",
    handler       text   not null collate "C",
    from_position bigint not null,
    low_water     bigint not null,
    registered_at timestamptz not null default clock_timestamp(),
    primary key (role, handler),
    constraint handlers_marks check (from_position >= 0 and low_water >= 0)
);
comment on column smartops_log.handlers.from_position is
    'A new handler does not act on history: events up to here are not its business.';
comment on column smartops_log.handlers.low_water is
    'All its events up to here are handled or parked: sweeps begin behind it.';

-- The permission table of the append: one row per role and category of stream.
create table smartops_log.writers (
    role     text not null collate "C",
    category text not null collate "C",
    primary key (role, category),
    constraint writers_category check (category ~ '^[a-z][a-z_]*$')
);

insert into smartops_log.writers (role, category) values
    ('smartops_planner', 'task'),
    ('smartops_planner', 'agent'),
    ('smartops_planner', 'budget'),
    ('smartops_policy', 'gate'),
    ('smartops_policy', 'actor'),
    ('smartops_policy', 'autonomy'),
    ('smartops_policy', 'bundle'),
    ('smartops_runner', 'run'),
    ('smartops_runner', 'target'),
    ('smartops_tool_gateway', 'call'),
    ('smartops_tool_gateway', 'tool'),
    ('smartops_tool_gateway', 'limit'),
    ('smartops_tool_gateway', 'session'),
    -- Refused commands: each service answers those addressed to it.
    ('smartops_planner', 'cmd'),
    ('smartops_policy', 'cmd'),
    ('smartops_runner', 'cmd'),
    ('smartops_tool_gateway', 'cmd'),
    ('smartops_audit', 'cmd');
