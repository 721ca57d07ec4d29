"""Guards of calls that are under way, switched off: seen by generated attacks and by zombies."""

from __future__ import annotations

from benchmarks.lib.guards.mutant import Edit, Mutant, Trial

__all__ = ["EXECUTION_GUARDS"]

_GATEWAY = "services/tool_gateway/src/smartops/tool_gateway"
_CHECKS = f"{_GATEWAY}/checks.py"

_HOSTILE = Trial("hostile-calls", ("--calls", "300"))
_STILL = Trial(
    "zombies", ("--rounds", "1", "--together", "3", "--doubles", "0", "--place", "send.before")
)

EXECUTION_GUARDS = (
    Mutant(
        "step-hash-generated",
        "the gateway compares each call with the approved step",
        (
            Edit(
                _CHECKS,
                "    if (step.tool, step.version, step.target) != "
                "(request.tool, request.version, request.target):",
                "    if False:",
            ),
        ),
        _HOSTILE,
        "a call goes out that differs from its step",
    ),
    Mutant(
        "no-grant-check-generated",
        "the gateway checks that the grant is there, is the run's, and holds",
        (
            Edit(
                _CHECKS,
                "    if (denial := _grant_holds(request, run, gate, now)) is not None:",
                "    if (denial := None) is not None:",
            ),
        ),
        _HOSTILE,
        "a call goes out under a grant that was taken back, ran out, or is another's",
    ),
    Mutant(
        "place-of-request",
        "a request speaks for the run in whose history it stands, and an undo has one name",
        (
            Edit(
                f"{_GATEWAY}/assessing.py",
                "        if (denial := check_place(request, context.requester_stream, "
                "context.run)) is not None:",
                "        if (denial := None) is not None:",
            ),
        ),
        _HOSTILE,
        "a step that was done goes out again, asked for by a run that was made up",
    ),
    Mutant(
        "attempts-before",
        "an attempt that was denied says nothing of those before it",
        (
            Edit(
                f"{_GATEWAY}/attempts.py",
                "        if view.status is not CallStatus.DENIED or attempt == 1:",
                "        if True:",
            ),
        ),
        _HOSTILE,
        "a step that was done goes out again, as its third attempt",
    ),
    Mutant(
        "envelope",
        "no call goes beyond its grant's envelope",
        (
            Edit(
                f"{_GATEWAY}/assessing.py",
                "        if (denial := _reach(context, permit)) is not None:",
                "        if (denial := None) is not None:",
            ),
        ),
        _HOSTILE,
        "more calls, or targets, than were granted",
    ),
    Mutant(
        "condition",
        "a step goes out only if its grant's condition was measured, and held",
        (
            Edit(
                f"{_GATEWAY}/assessing.py",
                "    return outside or context.unheld",
                "    return outside",
            ),
        ),
        _HOSTILE,
        "a step goes out under a condition that nobody has measured",
    ),
    Mutant(
        "steps-before",
        "what the plan puts before a step was applied, by the calls' own histories",
        (
            Edit(
                f"{_GATEWAY}/assessing.py",
                "        if (denial := check_course(context.skipped)) is not None:",
                "        if (denial := None) is not None:",
            ),
        ),
        _HOSTILE,
        "the second phase goes out though the first was never done",
    ),
    Mutant(
        "end-of-a-run",
        "what is said in a run behind its end brings it back for nobody",
        (
            Edit(
                "libs/contracts/src/smartops/contracts/folds/run.py",
                "    return replace(after, ended=view.ended) if view.ended in FINAL else after",
                "    return after",
            ),
        ),
        _HOSTILE,
        "a step goes out in a run that has completed, and was then said to have been resumed",
    ),
    Mutant(
        "undo-after-the-end",
        "a run that is over is owed no undo",
        (Edit(_CHECKS, "    if run.ended in FINAL:", "    if False:"),),
        _HOSTILE,
        "an old state is put back in a run that has completed",
    ),
    Mutant(
        "fuse",
        "nothing is sent behind its deadline, or by whoever can no longer prove to live",
        (
            Edit(
                f"{_GATEWAY}/sending.py",
                "        if self.left <= timedelta(0):",
                "        if False:",
            ),
            Edit(
                f"{_GATEWAY}/sending.py",
                "        if not holder.holds(self.incarnation):",
                "        if False:",
            ),
            Edit(
                f"{_GATEWAY}/sending.py",
                "        timeout = min(outbound.timeout, self.fuse.left)",
                "        timeout = outbound.timeout",
            ),
        ),
        _STILL,
        "a gateway that stood still sends what it was about to send",
    ),
    Mutant(
        "may-still-send",
        "no second attempt at what may yet be sent, unless a person accepts a double",
        (
            Edit(
                f"{_GATEWAY}/settling.py",
                "    if command.retry and not command.accept_double and may_still_send(sent, who):",
                "    if False:",
            ),
        ),
        _STILL,
        "a call is attempted again while its first sender may yet send it",
    ),
)
