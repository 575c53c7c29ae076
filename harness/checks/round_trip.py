"""A state carried from the reference to the subject and back by the frameworks' own loaders: no bit may change.

The state is drawn, so that no layer can have it by itself: initial values are often constants.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness import inputs
from harness.checks.ask import Asked, Refused, as_stated, sides, state
from harness.checks.state import stated_shapes
from harness.model import Array, Lane, Parameter, Trial
from harness.outcome import Open, Outcome
from harness.requests import from_side, laid_out, own_name, present


class _Unfit(Exception):
    """A layer has other parameters than the state map says."""


def run(trial: Trial, open_backend: Open) -> Outcome:
    """Draw a state, load it on each side in turn and read it back, and compare the bits on the way and at the end."""
    reference, subject = sides(trial)
    drawn = {each.name: _drawn(trial, each) for each in trial.case.state}
    stages = {reference.framework: reference, subject.framework: subject, f"{reference.framework} again": reference}
    try:
        for where, asked in stages.items():
            changed = _changed(drawn, _carried(trial, asked, open_backend, drawn), where)
            if changed:  # from here on another state would travel
                return as_stated(changed)
    except Refused as refused:
        return refused.outcome
    except _Unfit as unfit:
        return as_stated(str(unfit))
    return as_stated("")


def _drawn(trial: Trial, parameter: Parameter) -> Array:
    key = inputs.tensor_key(trial.case.id, parameter.name, Lane.ROUNDING)
    return inputs.reals(key, parameter.shape).astype(np.dtype(trial.dtype))


def _carried(trial: Trial, asked: Asked, open_backend: Open, canonical: Mapping[str, Array]) -> dict[str, Array]:
    """The state that a side has once it was given this one."""
    case, framework = trial.case, asked.framework
    given = laid_out(case, framework, canonical)
    seen = state(trial, asked, open_backend, given=given, load=case.sides[framework].load).outputs
    built, stated = {name: array.shape for name, array in seen.items()}, stated_shapes(case, framework)
    if built != stated:
        raise _Unfit(f"{framework} has {built or 'no parameters'}; stated is {stated or 'none'}")
    own = {each.name: from_side(each, framework, seen[own_name(each, framework)]) for each in present(case, framework)}
    return {**canonical, **own}  # what a side lacks stays as it is


def _changed(first: Mapping[str, Array], seen: Mapping[str, Array], where: str) -> str:
    names = [name for name, array in first.items() if _bits(array) != _bits(seen[name])]
    return f"{', '.join(names)} changed on the way to {where}" if names else ""


def _bits(array: Array) -> tuple[object, ...]:
    return array.shape, array.dtype, array.tobytes()
