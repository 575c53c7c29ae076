"""How a check asks its side, or both of them, for a layer's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.model import Array, Target, Trial, Verdict
from harness.outcome import Open, Outcome, grade
from harness.protocol import Failure, Observation, Request


@dataclass(frozen=True)
class Asked:
    """One of the two sides of a trial."""

    role: str
    target: Target

    @property
    def framework(self) -> str:
        """The target's."""
        return self.target.framework


class Refused(Exception):
    """A side refused to be asked; its outcome is the trial's."""

    def __init__(self, role: str, failure: Failure) -> None:
        """Keep the outcome."""
        self.outcome = Outcome(grade({role: failure}, ()), failures={role: failure})
        super().__init__(failure.message)


def sides(trial: Trial) -> list[Asked]:
    """The sides that the check is about."""
    both = [Asked("reference", trial.reference), Asked("subject", trial.subject)]
    return [each for each in both if trial.case.side in ("", each.framework)]


def state(
    trial: Trial,
    asked: Asked,
    open_backend: Open,
    *,
    given: Mapping[str, Array] | None = None,
    load: str = "",
    seed: int | None = 0,
) -> Observation:
    """The layer's state once it is built, and loaded if one is given. Raises Refused if the side fails."""
    side = trial.case.sides[asked.framework]
    inputs = tuple(np.zeros(shape, trial.dtype) for shape in trial.case.inputs.values())
    request = Request(side.steps, side.layer, inputs, given, load, seed, "state")
    seen = open_backend(asked.target).observe(request)
    if seen.failure is not None:
        raise Refused(asked.role, seen.failure)
    return seen


def as_stated(found: str, note: str = "") -> Outcome:
    """The outcome of a check: nothing found departs from what is stated, or this does."""
    return Outcome(Verdict.VALUE if found else Verdict.BITWISE, undocumented=found, note=note)
