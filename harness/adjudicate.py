"""The independent high-precision computation, and what follows from it: fills, truth and bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from harness import inputs, tolerance
from harness.backends.protocol import Backend
from harness.compare import Judge
from harness.model import Array, Case, Lane
from harness.requests import Tensors, request

# Largest |x| and |w| of the exact lane, tried in turn until every sum is representable.
AMPLITUDES = ((4, 3), (2, 2), (1, 1))


@dataclass(frozen=True)
class Adjudicator:
    """A backend that computes the reference side's calls by definition.

    Attributes:
        name: for the record.
        backend: whom to ask.
        whole: dtype for integer tensors; int64 where the backend has integer arithmetic.
    """

    name: str
    backend: Backend
    whole: type[np.generic]

    def outputs(self, case: Case, framework: str, tensors: Tensors) -> Mapping[str, Array] | None:
        """The outputs for these tensors; ``None`` where the computation is rejected or unknown."""
        return self.backend.observe(request(case, framework, tensors)).outputs or None


@dataclass(frozen=True)
class Setting:
    """What one lane of one trial is run and judged with.

    Attributes:
        lane: which one.
        tensors: inputs and state in the trial's dtype.
        adjudicator: who computed the truth; ``None`` where nobody could.
        judges: how to judge each output; the lane's plain rules for one that is not there.
    """

    lane: Lane
    tensors: Tensors
    adjudicator: str | None
    judges: Mapping[str, Judge]

    def judge(self, tensor: str) -> Judge:
        """The judge of this output."""
        return self.judges.get(tensor) or Judge(self.lane, None, None)


def settle(case: Case, framework: str, lane: Lane, dtype: str, adjudicators: tuple[Adjudicator, ...]) -> Setting | None:
    """Choose the tensors of a lane and adjudicate them.

    Args:
        case: what to run.
        framework: the reference side's framework, whose calls the adjudicator interprets.
        lane: exact or rounding.
        dtype: of both sides.
        adjudicators: in order of preference.

    Returns:
        ``None`` if the lane says nothing here: no exact fill is possible, or no bound can be derived.
    """
    for adjudicator in adjudicators:
        ones = _filled(case, lambda name, shape: np.ones(shape, adjudicator.whole))
        terms = adjudicator.outputs(case, framework, ones)
        if terms is not None:
            return _adjudicated(case, framework, lane, dtype, adjudicator, terms)
    if lane is Lane.ROUNDING:
        return None
    smallest = _integers(case, AMPLITUDES[-1])
    return Setting(lane, smallest.astype(np.dtype(dtype)), None, {})


def _adjudicated(
    case: Case, framework: str, lane: Lane, dtype: str, adjudicator: Adjudicator, terms: Mapping[str, Array]
) -> Setting | None:
    kind: np.dtype[np.generic] = np.dtype(dtype)
    if lane is Lane.EXACT:
        drawn = _exact_fill(case, dtype, terms)
        if drawn is None:
            return None
        precise = drawn.astype(np.dtype(adjudicator.whole))
    else:
        drawn = _filled(case, lambda name, shape: inputs.reals(inputs.tensor_key(case.id, name, lane), shape))
        drawn = drawn.astype(kind)
        precise = drawn.astype(np.dtype(np.float64))
    truth = adjudicator.outputs(case, framework, precise)
    if truth is None:
        return None
    unbiased = adjudicator.outputs(case, framework, precise.without("bias")) if "bias" in precise.state else None
    bounds = _bounds(case, framework, lane, dtype, adjudicator, terms, truth, precise)
    judges = {
        name: Judge(lane, bounds[name], value, None if unbiased is None else unbiased[name].astype(kind))
        for name, value in truth.items()
    }
    return Setting(lane, drawn.astype(kind), adjudicator.name, judges)


def _bounds(
    case: Case,
    framework: str,
    lane: Lane,
    dtype: str,
    adjudicator: Adjudicator,
    terms: Mapping[str, Array],
    truth: Mapping[str, Array],
    precise: Tensors,
) -> dict[str, Array | None]:
    if lane is Lane.EXACT:
        return dict.fromkeys(truth)
    if dtype in case.tolerances:
        return {name: tolerance.table_bound(case.tolerances[dtype], value) for name, value in truth.items()}
    magnitude = adjudicator.outputs(case, framework, precise.map(np.abs)) or {}
    return {name: tolerance.accumulation_bound(dtype, terms[name], magnitude[name]) for name in truth}


def _exact_fill(case: Case, dtype: str, terms: Mapping[str, Array]) -> Tensors | None:
    longest = max((int(count.max(initial=0)) for count in terms.values()), default=0)
    for amplitudes in AMPLITUDES:
        if longest * amplitudes[0] * amplitudes[1] < tolerance.exact_limit(dtype):
            return _integers(case, amplitudes)
    return None


def _integers(case: Case, amplitudes: tuple[int, int]) -> Tensors:
    def fill(name: str, shape: tuple[int, ...]) -> Array:
        largest = amplitudes[0] if name in case.inputs else amplitudes[1]
        return inputs.integers(inputs.tensor_key(case.id, name, Lane.EXACT), shape, largest)

    return _filled(case, fill)


def _filled(case: Case, fill: Callable[[str, tuple[int, ...]], Array]) -> Tensors:
    state = {parameter.name: fill(parameter.name, parameter.shape) for parameter in case.state}
    return Tensors({name: fill(name, shape) for name, shape in case.inputs.items()}, state)
