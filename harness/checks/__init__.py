"""What a document says of a layer besides its output: signature, state, initial values. One file a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.checks import init, round_trip, signature, state
from harness.model import Check, Trial
from harness.outcome import Open, Outcome

_RUN: Mapping[Check, Callable[[Trial, Open], Outcome]] = {
    Check.SIGNATURE: signature.run,
    Check.STATE: state.run,
    Check.ROUND_TRIP: round_trip.run,
    Check.INIT: init.run,
}


def run(trial: Trial, open_backend: Open) -> Outcome:
    """Run the trial's check.

    ``bitwise`` or ``within_bound`` as stated, otherwise ``value`` or ``shape``, or who refuses to be asked.
    """
    return _RUN[trial.case.check](trial, open_backend)
