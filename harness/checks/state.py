"""Names, shapes and layouts of a freshly built layer's parameters, against the state map."""

from __future__ import annotations

from collections.abc import Mapping

from harness.checks.ask import Refused, as_stated, sides, state
from harness.model import Case, Trial, Verdict
from harness.outcome import Open, Outcome
from harness.requests import own_name, present, side_shape

Shapes = Mapping[str, tuple[int, ...]]


def run(trial: Trial, open_backend: Open) -> Outcome:
    """Build the layer on each side and hold what it has against what is stated."""
    departures, shapes_only = [], True
    for asked in sides(trial):
        try:
            seen = state(trial, asked, open_backend)
        except Refused as refused:
            return refused.outcome
        built = {name: array.shape for name, array in seen.outputs.items()}
        stated = stated_shapes(trial.case, asked.framework)
        if built != stated:
            departures.append(f"{asked.framework} has {_listed(built)}; stated is {_listed(stated)}")
            shapes_only &= built.keys() == stated.keys()
    outcome = as_stated("; ".join(departures))
    return Outcome(Verdict.SHAPE, undocumented=outcome.undocumented) if departures and shapes_only else outcome


def stated_shapes(case: Case, framework: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of each parameter of one side, by the case file."""
    return {own_name(each, framework): side_shape(each, framework) for each in present(case, framework)}


def _listed(shapes: Shapes) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in sorted(shapes.items())) or "no parameters"
