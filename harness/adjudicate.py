"""The independent high-precision computation, and what follows from it: fills, truth and bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from harness import inputs, tolerance
from harness.compare import Judge
from harness.model import Array, Case, Lane
from harness.protocol import Backend
from harness.requests import Tensors, request

# Largest |x| and |w| of the exact lane, tried in turn until every sum is representable. As large as can be: the more
# values there are, the less likely two places are equal by chance.
AMPLITUDES = ((31, 31), (7, 7), (4, 3), (2, 2), (1, 1))


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


class NotASum(Exception):
    """The layer is no sum of products of its integers, so that neither lane's rules hold for it."""


@dataclass(frozen=True)
class Question:
    """What is to be settled: a case in a lane and a dtype, with the reference side's framework."""

    case: Case
    framework: str
    lane: Lane
    dtype: str

    @property
    def kind(self) -> np.dtype[np.generic]:
        """The NumPy dtype of both sides."""
        return np.dtype(self.dtype)


@dataclass(frozen=True)
class Appointment:
    """The adjudicator of a case, with the number of terms that reach each element of its outputs."""

    adjudicator: Adjudicator
    terms: Mapping[str, Array]


def appoint(case: Case, framework: str, adjudicators: Iterable[Adjudicator]) -> Appointment | None:
    """The first adjudicator, in order of preference, that can compute the framework's calls; the same for all lanes."""
    for adjudicator in adjudicators:
        terms = adjudicator.outputs(case, framework, _ones(case, adjudicator.whole))
        if terms is not None:
            return Appointment(adjudicator, terms)
    return None


def settle(question: Question, appointed: Appointment | None) -> Setting | None:
    """Choose the tensors of a lane and adjudicate them.

    Args:
        question: what to settle.
        appointed: by whom; ``None`` where nobody can.

    Returns:
        ``None`` if the lane says nothing here: no exact fill is possible, or no bound can be derived.
    """
    if appointed is not None:
        return _adjudicated(question, appointed)
    return unjudged(question.case, question.dtype) if question.lane is Lane.EXACT else None


def unjudged(case: Case, dtype: str) -> Setting:
    """The exact lane's smallest integers, for a case that nobody can adjudicate."""
    return Setting(Lane.EXACT, _integers(case, AMPLITUDES[-1]).astype(np.dtype(dtype)), None, {})


def _adjudicated(question: Question, appointed: Appointment) -> Setting | None:
    case, framework, adjudicator = question.case, question.framework, appointed.adjudicator
    drawn = _exact_fill(case, question.dtype, appointed.terms) if question.lane is Lane.EXACT else _reals(case)
    if drawn is None:
        return None
    # What the sides are given is rounded to their dtype first; the truth is computed from the very same values.
    given = drawn.astype(question.kind)
    precise = given.astype(np.dtype(adjudicator.whole if question.lane is Lane.EXACT else np.float64))
    truth = adjudicator.outputs(case, framework, precise)
    if truth is None:
        return None
    if question.lane is Lane.EXACT and not all(np.array_equal(value, np.rint(value)) for value in truth.values()):
        raise NotASum("integers in give no integers out: this layer needs a 'tolerance' by dtype, with its reason")
    unbiased = adjudicator.outputs(case, framework, precise.without("bias")) if "bias" in precise.state else None
    bounds = _bounds(question, appointed, truth, precise)
    judges = {
        name: Judge(
            question.lane, bounds.get(name), value, None if unbiased is None else unbiased[name].astype(question.kind)
        )
        for name, value in truth.items()
    }
    return Setting(question.lane, given, adjudicator.name, judges)


def _bounds(
    question: Question, appointed: Appointment, truth: Mapping[str, Array], precise: Tensors
) -> dict[str, Array]:
    """The bound of each output; none in the exact lane, where every difference counts."""
    if question.lane is Lane.EXACT:
        return {}
    row = question.case.tolerances.get(question.dtype)
    if row is not None:
        return {name: tolerance.table_bound(row, value) for name, value in truth.items()}
    terms = appointed.terms
    magnitude = appointed.adjudicator.outputs(question.case, question.framework, precise.map(np.abs)) or {}
    return {name: tolerance.accumulation_bound(question.dtype, terms[name], magnitude[name]) for name in truth}


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


def _reals(case: Case) -> Tensors:
    return _filled(case, lambda name, shape: inputs.reals(inputs.tensor_key(case.id, name, Lane.ROUNDING), shape))


def _ones(case: Case, kind: type[np.generic]) -> Tensors:
    return _filled(case, lambda _, shape: np.ones(shape, kind))


def _filled(case: Case, fill: Callable[[str, tuple[int, ...]], Array]) -> Tensors:
    state = {parameter.name: fill(parameter.name, parameter.shape) for parameter in case.state}
    return Tensors({name: fill(name, shape) for name, shape in case.inputs.items()}, state)
