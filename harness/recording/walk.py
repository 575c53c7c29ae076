"""All that a run could ask of one side of a trial, whatever the other side answers.

A run asks less: it leaves a lane out after a refusal, or repeats a call only where the sides differ. A recording does
not know the other side, and asks for all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness import checks, runner
from harness.adjudicate import NotASum, Setting, unjudged
from harness.model import Array, Check, Initial, Lane, Target, Trial
from harness.outcome import Open
from harness.protocol import Argument, Backend, Observation, Request
from harness.requests import own_name, request


def ask(trial: Trial, target: Target, open_backend: Open) -> None:
    """Ask the target all that a run of this trial could.

    Args:
        trial: one whose reference or subject the target is; or both, where it is held against itself.
        target: whom to ask.
        open_backend: gives the backend of the target and its plain mode, of the adjudicator, and of the other side
            where it has to settle what is given.
    """
    case = trial.case
    if case.check is not Check.OUTPUT:
        if case.side in ("", target.framework):
            checks.run(trial, lambda each: open_backend(target) if each == target else Obliging())
        return
    for setting in _settings(trial, open_backend):
        given = request(case, target.framework, setting.tensors)
        for _ in range(2 if case.align else 1):  # it may be repeated, but for weights as they were built
            open_backend(target).observe(given)
        if target.mode and case.align:
            open_backend(replace(target, mode="")).observe(given)


def read(trial: Trial, target: Target) -> frozenset[str]:
    """The names of the outputs that the trial reads, in the target's own words; empty for all of them.

    Initial values are drawn anew for each seed and many, and the check reads those of one tensor.
    """
    stated, case = trial.case.stated, trial.case
    if case.check is not Check.INIT or not isinstance(stated, Initial):
        return frozenset()
    return frozenset(own_name(each, target.framework) for each in case.state if each.name == stated.tensor)


def _settings(trial: Trial, open_backend: Open) -> list[Setting]:
    """Those of every lane; and of none of them, which a run with one lane may come to."""
    found: list[Setting] = []
    for lane in trial.case.lanes:
        found += _of(trial, lane, open_backend)
    return found if len(found) == len(trial.case.lanes) else [*found, unjudged(trial.case, trial.dtype)]


def _of(trial: Trial, lane: Lane, open_backend: Open) -> list[Setting]:
    try:
        return list(runner.settings(trial, open_backend, (lane,)))
    except NotASum:  # the trial proves nothing in this lane, whatever the sides say
        return []


class Obliging:
    """The other side of a check: never refuses, and has the state that it is given."""

    def provenance(self) -> Mapping[str, str]:
        """None."""
        return {}

    def observe(self, request: Request) -> Observation:
        """The state that came with the request; nothing where none did."""
        given: Mapping[str, Array] = request.state or {}
        return Observation(dict(given), None, 0.0)

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        """None: a check of a signature asks the side that it is about."""
        raise LookupError(call)


_: type[Backend] = Obliging
