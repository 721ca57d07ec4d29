"""Guards of the services, switched off: each must be missed by a stack that is at work."""

from __future__ import annotations

from benchmarks.lib.guards.append_edits import NO_INBOX, NO_READ_CONDITIONS
from benchmarks.lib.guards.mutant import Edit, Mutant, Trial

__all__ = ["SERVICE_GUARDS"]

_GATEWAY = "services/tool_gateway/src/smartops/tool_gateway"
_CHECKS = f"{_GATEWAY}/checks.py"
_RUNTIME = "libs/runtime/src/smartops/runtime"

_WITHDRAW = Trial("withdrawals", ("--rounds", "1"))
_FORGE = Trial("forgeries", ("--rounds", "1"))
_SMALL = ("--tasks", "6", "--servers", "60", "--delay", "250", "--patience", "30")
_LOSE = Trial("lost-durables", (*_SMALL, "--lost-answers", "4", "--rounds", "1"))
_LOSE_ALL = Trial("lost-durables", (*_SMALL, "--lost-answers", "0", "--rounds", "1", "--stream"))
_FREEZE = Trial("lost-durables", (*_SMALL, "--lost-answers", "0", "--rounds", "1", "--freeze", "7"))
_REPEAT = Trial(
    "duplicates-and-replays",
    (*_SMALL[:-1], "20", "--lost-answers", "0", "--rounds", "3", "--replays", "1", "--times", "2"),
)
_KILL = Trial(
    "killed-in-mid-commit",
    ("--tasks", "2", "--servers", "60", "--rounds", "1", "--intents", "6", "--patience", "45"),
)
_CRASH = ("--rounds", "1", "--together", "1", "--patience", "45")
_SWEEP = Trial("crash-sweep", (*_CRASH, "--point", "dispatch.before"))
_SWEEP_REPLY = Trial("crash-sweep", (*_CRASH, "--point", "reply.before"))

_SENT_FIRST = (
    Edit(
        f"{_GATEWAY}/calls.py",
        "            dispatched = domain.dispatch(",
        "            vars(self._sender).setdefault('early', {})[name] = await "
        "self._carrier.carry_out(\n"
        "                name, facts, facts.arguments, tool, request.call, key=_key(request)\n"
        "            )\n"
        "            await reach('dispatch.before', request.task)\n"
        "            dispatched = domain.dispatch(",
    ),
    Edit(
        f"{_GATEWAY}/calls.py",
        '        await reach("dispatch.before", request.task)\n        reaction',
        "        reaction",
    ),
    Edit(
        f"{_GATEWAY}/sending.py",
        "        answer, took = await self._carrier.carry_out(",
        "        early = vars(self).get('early', {}).pop(name, None)\n"
        "        answer, took = early or await self._carrier.carry_out(",
    ),
)
"""Sends while it is decided; the place before the commit comes behind it."""

SERVICE_GUARDS = (
    # ---- what was taken back ---------------------------------------------------------------
    Mutant(
        "revoke-against-dispatch",
        "a dispatch names the versions of gate, bundle and actors that it rests on",
        (
            Edit(
                f"{_GATEWAY}/context.py", "            reads=tuple(reads),", "            reads=(),"
            ),
        ),
        _WITHDRAW,
        "a call goes out behind the revocation that came while it was decided",
    ),
    Mutant(
        "vote-against-actor",
        "a vote names the versions of the actors that it rests on",
        (
            Edit(
                "services/policy/src/smartops/policy/gate/voters.py",
                "version=known.version, reads=((known.stream, known.version),))",
                "version=known.version)",
            ),
        ),
        _WITHDRAW,
        "an actor who was disabled approves",
    ),
    Mutant(
        "read-conditions-unread",
        "read conditions are checked in the append",
        (NO_READ_CONDITIONS,),
        _WITHDRAW,
        "whatever only rests on a stream is stored though it has moved on",
    ),
    Mutant(
        "no-grant-check",
        "the gateway checks that the grant is there, is the run's, and holds",
        (
            Edit(
                _CHECKS,
                "    if (denial := _grant_holds(request, run, gate, now)) is not None:",
                "    if (denial := None) is not None:",
            ),
        ),
        _WITHDRAW,
        "a call goes out under a grant that was revoked",
    ),
    # ---- what was never approved -----------------------------------------------------------
    Mutant(
        "step-hash",
        "the gateway compares each call with the approved step",
        (
            Edit(
                _CHECKS,
                "    if (step.tool, step.version, step.target) != "
                "(request.tool, request.version, request.target):",
                "    if False:",
            ),
        ),
        _FORGE,
        "a call goes out that differs from its step",
    ),
    Mutant(
        "call-id",
        "one step is one call per attempt",
        (
            Edit(
                _CHECKS,
                "    if request.call != call_id(where, step.id, request.purpose, request.attempt):",
                "    if False:",
            ),
        ),
        _FORGE,
        "a restart goes out again under another id",
    ),
    Mutant(
        "attempt",
        "another attempt only after a definite not-applied",
        (
            Edit(
                f"{_GATEWAY}/assessing.py",
                "        if (denial := check_attempt(request, context.earlier)) is not None:",
                "        if (denial := None) is not None:",
            ),
        ),
        _FORGE,
        "a restart goes out again as its second attempt",
    ),
    Mutant(
        "phase-order",
        "a step goes out in its phase, behind those before",
        (
            Edit(
                _CHECKS,
                "    if phase != run.phase or run.phases_completed != phase:",
                "    if False:",
            ),
            Edit(_CHECKS, "    if request.phase != run.phase:", "    if False:"),
        ),
        _FORGE,
        "a step of the second phase goes out during the first",
    ),
    Mutant(
        "reads-only",
        "without a grant only reads go out: by the registry, and by policy",
        (
            Edit(
                _CHECKS,
                "    if tool is None or tool.category is not Category.READ:",
                "    if tool is None:",
            ),
            Edit(f"{_GATEWAY}/assessing.py", "        if not verdict.allow:", "        if False:"),
        ),
        _FORGE,
        "a patch that calls itself an observation goes out",
    ),
    Mutant(
        "plan-bytes",
        "the plan's bytes are those that were approved: of the blob, of the plan, at the gateway",
        (
            Edit(
                "libs/eventstore/src/smartops/eventstore/blobs.py",
                "        if hashlib.sha256(content).digest() != digest:",
                "        if False:",
            ),
            Edit(
                "libs/contracts/src/smartops/contracts/plan.py",
                "        if plan.hash() != plan_hash:",
                "        if False:",
            ),
            Edit(
                _CHECKS,
                "    if plan is None or gate.grant is None or plan.hash() != gate.grant.plan_hash:",
                "    if plan is None or gate.grant is None:",
            ),
        ),
        _FORGE,
        "a plan that was altered in the database is carried out",
    ),
    Mutant(
        "approval-named",
        "each call names its grant",
        (
            Edit(
                f"{_GATEWAY}/assessing.py",
                "            grant=grant.grant if grant is not None else None,",
                "            grant=None,",
            ),
        ),
        _FORGE,
        "calls are dispatched under no grant",
    ),
    # ---- what goes wrong on the way --------------------------------------------------------
    Mutant(
        "commit-before-send",
        "a call is committed before its socket opens",
        _SENT_FIRST,
        _LOSE,
        "requests arrive before they are in the log",
    ),
    Mutant(
        "opaque-sent-again",
        "what is not idempotent is not sent again",
        (
            Edit(
                f"{_GATEWAY}/domain.py",
                "        case Idempotence.IDEMPOTENT if call.sends < MAX_SENDS:",
                "        case _ if call.sends < MAX_SENDS:",
            ),
        ),
        _LOSE,
        "a restart whose answer was lost goes out twice",
    ),
    Mutant(
        "commit-before-send-at-a-crash",
        "a call is committed before its socket opens",
        _SENT_FIRST,
        _SWEEP,
        "a restart that was sent, and is not in the log, goes out again after the crash",
    ),
    Mutant(
        "opaque-sent-again-at-a-crash",
        "what is not idempotent is not sent again",
        (
            Edit(
                f"{_GATEWAY}/domain.py",
                "        case Idempotence.IDEMPOTENT if call.sends < MAX_SENDS:",
                "        case _ if call.sends < MAX_SENDS:",
            ),
        ),
        _SWEEP_REPLY,
        "a restart whose gateway was killed before it read the answer goes out twice",
    ),
    Mutant(
        "read-back-unread",
        "what is read back is compared with what was wanted",
        (
            Edit(
                f"{_GATEWAY}/settling.py",
                "    if before is not None and _same(output, before):",
                "    if True:",
            ),
        ),
        _SWEEP_REPLY,
        "what was applied is sent again, refused, and in the end left to a person",
    ),
    Mutant(
        "uncertain-as-failed",
        "a lost answer is uncertain, not failed",
        (
            Edit(
                f"{_GATEWAY}/adapters/json_api.py",
                '            return Unknown(f"no answer: {_plain(error)}")',
                '            return NotApplied("no_answer", _plain(error), retryable=True)',
            ),
        ),
        _LOSE,
        "a call is said to have failed that was applied",
    ),
    Mutant(
        "no-sweeps",
        "events without an inbox row are found in the log",
        (
            Edit(
                f"{_RUNTIME}/service.py",
                "            await self._events[name](cue_of_row(name, row))",
                "            return",
            ),
        ),
        _LOSE,
        "tasks stand still whose events came to nobody",
    ),
    Mutant(
        "no-leftovers",
        "what could not be published is published later",
        (
            Edit(
                f"{_RUNTIME}/publisher.py",
                "                await self._publish(self._relay, rows)",
                "                await asyncio.sleep(0)",
            ),
        ),
        _FREEZE,
        "rows stay in the outbox",
    ),
    Mutant(
        "no-refill",
        "what the event stream has lost is published again",
        (
            Edit(
                f"{_RUNTIME}/republishing.py",
                "            count += await self._relay.publish(lost)",
                "            count += len(lost)",
            ),
        ),
        _LOSE_ALL,
        "published events are not in the stream",
    ),
    Mutant(
        "ack-before-commit",
        "a message is acknowledged once what follows from it is on disk",
        (
            Edit(
                "libs/bus/src/smartops/bus/middleware.py",
                "                await call(delivery.message)",
                "                await delivery.ack()\n"
                "                await call(delivery.message)",
            ),
        ),
        _KILL,
        "commands that a dying service had in its hands are gone",
    ),
    Mutant(
        "inbox-at-work",
        "the inbox, with services: a command or an event that comes again changes nothing",
        NO_INBOX,
        _REPEAT,
        "what comes again is decided again",
    ),
)
