"""What a role could try beside reading and writing tables: by hand, with who may.

Each is tried by each role, in a transaction that is rolled back unless PostgreSQL forbids that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.lib.permissions.db_table import AUDIT, OWNER, ROLES, SERVICES

__all__ = ["ATTEMPTS", "Attempt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A statement."""

    group: str
    sql: str
    may: tuple[str, ...] = ()
    why: str = ""
    apart: bool = False
    """PostgreSQL refuses it within a transaction."""


_NOBODY = "Nobody but a superuser."
_STRUCTURE = "The schema is changed by migrations, as its owner."
_FILES = "The server's files and programs are nobody's business."
_EVERYBODY = "PostgreSQL gives it to everybody; only a superuser can take it away."


def _each(
    group: str, *statements: str, may: tuple[str, ...] = (), why: str = "", apart: bool = False
) -> Sequence[Attempt]:
    return [
        Attempt(group=group, sql=statement, may=may, why=why, apart=apart)
        for statement in statements
    ]


ATTEMPTS: tuple[Attempt, ...] = (
    *_each(
        "change the structure",
        "create table smartops_log.mine (x int)",
        "create table smartops.mine (x int)",
        "create view smartops.mine as select 1 as x",
        "create function smartops_log.mine() returns int language sql as 'select 1'",
        "alter table smartops_log.events add column mine int",
        "alter table smartops_log.events disable trigger all",
        "alter table smartops_log.inbox add column mine int",
        "drop table smartops_log.events cascade",
        "drop table smartops.tasks cascade",
        "drop view smartops.v_tasks",
        "drop schema smartops_log cascade",
        "drop function smartops_log.append_units cascade",
        "alter function smartops_log.outbox_backlog() security invoker",
        "alter function smartops_log.outbox_backlog() reset search_path",
        "drop trigger events_append_only on smartops_log.events",
        "create rule mine as on insert to smartops_log.inbox do instead nothing",
        "alter table smartops.tasks disable row level security",
        "alter table smartops.tasks no force row level security",
        "create policy mine on smartops.tasks using (true)",
        "drop policy one_tenant on smartops.tasks",
        "alter table smartops_vault.entries no force row level security",
        "drop policy own_tenant on smartops_vault.entries",
        "grant execute on function smartops_vault.get to smartops_planner",
        "alter view smartops.v_events set (security_barrier = false)",
        "create or replace view smartops.v_tenants as select * from smartops.v_tenants",
        "create or replace function smartops.current_tenant() returns text language sql as "
        "'select ''globex''::text'",
        "create index on smartops_log.events (party)",
        "comment on table smartops_log.events is 'mine'",
        "lock table smartops_log.inbox in access exclusive mode",
        "grant select on smartops_log.inbox to smartops_reader",
        "grant usage on schema smartops_log to smartops_reader",
        "alter default privileges for role smartops_owner grant select on tables to public",
        may=(OWNER,),
        why=_STRUCTURE,
    ),
    *_each(
        "make a schema",
        "create schema mine",
        may=(OWNER,),
        why="Migrations of services make their own.",
    ),
    *_each(
        "keep things elsewhere in the database",
        "create table public.mine (x int)",
        "create function public.mine() returns int language sql as 'select 1'",
        why="Nobody needs it, and it fills the disk under the log.",
    ),
    *_each(
        "make temporary tables",
        "create temporary table mine (x int)",
        "create function pg_temp.mine() returns int language sql as 'select 1'",
        may=(AUDIT,),
        why="Audit rebuilds the read models there to compare; others would fill the disk.",
    ),
    *_each(
        "become another",
        *(f"set role {role}" for role in (*ROLES, "postgres", "pg_read_all_data")),
        "set session authorization smartops_owner",
        "set session authorization postgres",
        why="Each credential is one role; itself it is already.",
    ),
    *_each(
        "change roles",
        "create role mine",
        "alter role postgres password 'x'",
        "alter role smartops_reader bypassrls",
        "alter role current_user superuser",
        "alter role current_user createrole",
        "alter role smartops_owner login",
        "alter role smartops_reader set smartops.tenant = 'globex'",
        "drop role smartops_runner",
        "grant smartops_owner to current_user",
        "grant pg_read_all_data to current_user",
        "grant pg_execute_server_program to current_user",
        why=_NOBODY,
    ),
    *_each(
        "read secrets of the server",
        "select rolpassword from pg_authid",
        "select passwd from pg_shadow",
        "select * from pg_hba_file_rules",
        "select * from pg_file_settings",
        "select umoptions from pg_user_mapping",
        "select * from pg_statistic",
        "select subconninfo from pg_subscription",
        why=_NOBODY,
    ),
    *_each(
        "reach files and programs",
        "copy (select 1) to program 'cat'",
        "copy (select 1) to '/dev/null'",
        "create temporary table t (x text) on commit drop; copy t from program 'id'",
        "copy smartops_log.inbox from '/etc/passwd'",
        "select pg_read_file('/etc/passwd')",
        "select pg_read_binary_file('postgresql.conf')",
        "select pg_ls_dir('.')",
        "select pg_stat_file('postgresql.conf')",
        "select pg_ls_waldir()",
        "select lo_import('/etc/passwd')",
        "load 'plpgsql.so'",
        why=_FILES,
    ),
    *_each(
        "command the server",
        "select pg_reload_conf()",
        "select pg_rotate_logfile()",
        "select pg_switch_wal()",
        "select pg_promote()",
        "select pg_create_restore_point('x')",
        "select pg_create_physical_replication_slot('mine')",
        "select pg_create_logical_replication_slot('mine', 'pgoutput')",
        "select pg_stat_reset()",
        "select pg_export_snapshot() from pg_logical_slot_peek_changes('x', null, null)",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
        "select pg_log_backend_memory_contexts(pg_backend_pid())",
        "set session_replication_role = replica",
        "set log_statement = 'none'",
        "set log_min_messages = 'panic'",
        "checkpoint",
        "create event trigger mine on sql_drop execute function smartops_log.refuse_change()",
        "create publication mine for all tables",
        "create subscription mine connection '' publication x with (connect = false)",
        "create foreign data wrapper mine",
        "create cast (text as uuid) without function",
        why=_NOBODY,
    ),
    *_each(
        "command the server",
        "alter system set fsync = off",
        "create database mine",
        "create tablespace mine location '/tmp'",
        "drop database postgres",
        why=_NOBODY,
        apart=True,
    ),
    *_each(
        "lock the log",
        "lock table smartops_log.events in share mode",
        "lock table smartops_log.events in exclusive mode",
        may=(OWNER,),
        why="A lock that a writer meets would stop every service.",
    ),
    *_each(
        "read the log",
        "lock table smartops_log.events in access share mode",
        "copy smartops_log.events to stdout",
        may=(*SERVICES, OWNER),
        why="Services read the log.",
    ),
    *_each(
        "read the vault",
        "copy smartops_vault.entries to stdout",
        "copy smartops_vault.answers to stdout",
        "select set_config('smartops.vault_tenant', '*', true); "
        "select sealed from smartops_vault.entries",
        may=(OWNER,),
        why="Values come out through functions of the gateway's; even then they are sealed.",
    ),
    *_each(
        "take the lock of the append",
        "select pg_advisory_lock(8317411231030800499)",
        "select pg_advisory_xact_lock(8317411231030800499)",
        "select pg_advisory_lock_shared(8317411231030800499)",
        "select pg_advisory_xact_lock_shared(8317411231030800499)",
        "select pg_try_advisory_xact_lock(8317411231030800499)",
        "select pg_try_advisory_lock_shared(8317411231030800499)",
        "select pg_advisory_xact_lock(1936552946, 1)",
        may=(OWNER,),
        why="Who holds it stops every writer. The append takes it as the owner.",
    ),
    *_each(
        "take the lock of the projector",
        "select pg_try_advisory_lock(1)",
        may=(AUDIT, OWNER),
        why="One process of audit projects at a time.",
    ),
    *_each(
        "what PostgreSQL gives everybody",
        "alter role current_user password 'x'",
        "select lo_create(0)",
        "notify mine",
        "set work_mem = '64MB'",
        "set statement_timeout = 0",
        "select pid from pg_stat_activity",
        may=ROLES,
        why=_EVERYBODY,
    ),
)
