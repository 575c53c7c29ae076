"""The distribution of freshly built parameters against the documented one, or of both sides against each other.

Seeds are drawn by the case's id, so that a run says the same as the one before it; each side has its own.
"""

from __future__ import annotations

import math

import numpy as np

from harness import distribution, inputs
from harness.checks.ask import Asked, Refused, sides, state
from harness.distribution import Fit
from harness.model import Array, Comparison, Initial, Lane, Trial, Verdict
from harness.outcome import Open, Outcome
from harness.requests import own_name


def run(trial: Trial, open_backend: Open) -> Outcome:
    """Build the layer as often as the sample needs, on the sides in question, and compare."""
    stated = trial.case.stated
    assert isinstance(stated, Initial)
    try:
        samples = {each.framework: _sample(trial, each, open_backend) for each in sides(trial)}
    except Refused as refused:
        return refused.outcome
    missing = [framework for framework, sample in samples.items() if sample is None]
    if missing:
        return Outcome(Verdict.VALUE, undocumented=f"{' and '.join(missing)} has no {stated.tensor} here")
    drawn = [sample for sample in samples.values() if sample is not None]
    fits = (
        [distribution.fit(each, stated) for each in drawn] if stated.kind else [distribution.alike(drawn[1], drawn[0])]
    )
    fit = next((each for each in fits if each.departure), max(fits, key=lambda each: len(each.missed)))
    words = "; ".join(f"{name}: {distribution.describe(sample)}" for name, sample in zip(samples, drawn, strict=True))
    found = f"{fit.departure}; " if fit.departure and not stated.kind else ""
    note = f"{found}{words}; false alarm {distribution.FALSE_ALARM:g}"
    return _outcome(stated, fit, note, drawn[-1].size)


def _sample(trial: Trial, asked: Asked, open_backend: Open) -> Array | None:
    """Values of the parameter from as many seeds as it takes; ``None`` if the layer has no such parameter."""
    stated, case = trial.case.stated, trial.case
    assert isinstance(stated, Initial)
    parameter = next((each for each in case.state if each.name == stated.tensor), None)
    if parameter is None or asked.framework in parameter.lacking or not math.prod(parameter.shape):
        return None
    times = math.ceil(distribution.SAMPLE / math.prod(parameter.shape))
    own = own_name(parameter, asked.framework)
    drawn = []
    for seed in inputs.seeds(f"{case.id}|{asked.framework}", times):
        outputs = state(trial, asked, open_backend, seed=seed).outputs
        if own not in outputs:
            return None
        drawn.append(outputs[own].ravel())
    return np.asarray(np.concatenate(drawn))


def _outcome(stated: Initial, fit: Fit, note: str, size: int) -> Outcome:
    verdict = Verdict.VALUE if fit.departure else Verdict.WEAK if fit.missed else Verdict.WITHIN_BOUND
    ratio = fit.distance / fit.limit if fit.limit else fit.distance
    measured = Comparison(
        stated.tensor, Lane.ROUNDING, verdict, (size,), (size,), size=size, bound_ratio=ratio, missed=fit.missed
    )
    return Outcome(verdict, (measured,), undocumented=fit.departure if stated.kind else "", note=note)
