"""A state carried from the reference to the subject and back by the frameworks' own loaders: no bit may change."""

from __future__ import annotations

from collections.abc import Mapping

from harness.checks.ask import Asked, Refused, as_stated, sides, state
from harness.model import Array, Case, Trial
from harness.outcome import Open, Outcome
from harness.protocol import Observation
from harness.requests import from_side, own_name, to_side


def run(trial: Trial, open_backend: Open) -> Outcome:
    """Build the reference's layer, carry its state over and back, and compare the bits on the way and at the end."""
    reference, subject = sides(trial)
    try:
        first = _canonical(trial.case, reference, state(trial, reference, open_backend))
        carried = _carried(trial, subject, open_backend, first)
        again = _carried(trial, reference, open_backend, carried)
    except Refused as refused:
        return refused.outcome
    stages = {subject.framework: carried, f"{reference.framework} again": again}
    return as_stated("; ".join(filter(None, (_changed(first, seen, where) for where, seen in stages.items()))))


def _carried(trial: Trial, asked: Asked, open_backend: Open, canonical: Mapping[str, Array]) -> dict[str, Array]:
    """The state that a side has once it was given this one; built with another seed, so that nothing agrees by it."""
    framework = asked.framework
    present = [each for each in trial.case.state if each.name in canonical and framework not in each.lacking]
    given = {own_name(each, framework): to_side(each, framework, canonical[each.name]) for each in present}
    way = trial.case.sides[framework].load
    seen = state(trial, asked, open_backend, given=given, load=way, seed=1)
    return {**canonical, **_canonical(trial.case, asked, seen)}  # what a side lacks stays as it is


def _canonical(case: Case, asked: Asked, seen: Observation) -> dict[str, Array]:
    framework = asked.framework
    present = [each for each in case.state if framework not in each.lacking]
    return {each.name: from_side(each, framework, seen.outputs[own_name(each, framework)]) for each in present}


def _changed(first: Mapping[str, Array], seen: Mapping[str, Array], where: str) -> str:
    names = [name for name, array in first.items() if _bits(array) != _bits(seen[name])]
    return f"{', '.join(names)} changed on the way to {where}" if names else ""


def _bits(array: Array) -> tuple[object, ...]:
    return array.shape, array.dtype, array.tobytes()
