"""Histories of tasks as the services write them: real events, appended through the real store."""

from support.audit_histories.logs import append, log_of, populate
from support.audit_histories.stories import Story, many, ops_task, registered
from support.audit_histories.telling import OPERATOR, SERVICES, Said

__all__ = [
    "OPERATOR",
    "SERVICES",
    "Said",
    "Story",
    "append",
    "log_of",
    "many",
    "ops_task",
    "populate",
    "registered",
]
