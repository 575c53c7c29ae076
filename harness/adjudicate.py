"""The independent high-precision computation, and what follows from it: truth and bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness import dtypes, fills, tolerance
from harness.compare import Judge
from harness.model import Array, Case, Lane
from harness.protocol import Backend
from harness.requests import Tensors, canonical, request


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
        """The outputs for these tensors, and their derivatives; ``None`` where the computation is rejected or unknown.

        Where only the derivatives are unknown, there are none of them.
        """
        seen = self.backend.observe(request(case, framework, tensors))
        return canonical(case, framework, seen.outputs) or None


@dataclass(frozen=True)
class Setting:
    """What one lane of one trial is run and judged with.

    Attributes:
        lane: which one.
        tensors: inputs and state in the trial's dtype.
        adjudicator: who computed the truth; ``None`` where nobody could.
        judges: how to judge each output and derivative.
        silent: outputs that this lane says nothing of.
    """

    lane: Lane
    tensors: Tensors
    adjudicator: str | None
    judges: Mapping[str, Judge]
    silent: frozenset[str] = frozenset()

    def judge(self, tensor: str) -> Judge | None:
        """The judge of this tensor: the lane's plain rules where nobody computed it; ``None`` if nothing can be said.

        Nothing can be said of a derivative that no term reaches, or where there is no bound that could be missed.
        """
        unknown = derivative(tensor) and (self.judges or self.lane is Lane.ROUNDING)
        if tensor in self.judges or tensor in self.silent or unknown:
            return self.judges.get(tensor)
        return Judge(self.lane, None, None)

    def mutual(self) -> Setting:
        """The setting without its truth, for two sides that are held against each other alone.

        The bound is that of both, and the same everywhere: which element is how large is not known.
        """
        largest = {name: each.bound.max(initial=0.0) for name, each in self.judges.items() if each.bound is not None}
        judges = {
            name: replace(each, truth=None, bound=np.asarray(2 * largest[name]) if name in largest else None)
            for name, each in self.judges.items()
        }
        return replace(self, adjudicator=None, judges=judges)


class NotASum(Exception):
    """The layer is no sum of products of its integers, so that neither lane's rules hold for it."""


@dataclass(frozen=True)
class Question:
    """What is to be settled: a case in a lane and a dtype, with the reference side's framework.

    Attributes:
        short: whether a side may shorten the factors of float32 products.
    """

    case: Case
    framework: str
    lane: Lane
    dtype: str
    short: bool = False

    def given(self, tensors: Tensors) -> Tensors:
        """The tensors in the dtypes that the sides get them in."""
        return fills.given(self.case, tensors, self.dtype)

    def telling(self, terms: Array) -> bool:
        """Whether a bound on sums of so many terms can be missed."""
        return tolerance.telling(self.dtype, terms, self.short)

    def bound(self, terms: Array, magnitude: Array) -> Array:
        """The bound on sums of so many terms."""
        return tolerance.accumulation_bound(self.dtype, terms, magnitude, self.short)

    def stored(self, array: Array) -> Array:
        """The array in the dtype of the sides' results."""
        with np.errstate(over="ignore"):
            return array.astype(dtypes.dtype(self.dtype))


def derivative(tensor: str) -> bool:
    """Whether the name is that of a derivative."""
    return "." in tensor


@dataclass(frozen=True)
class Appointment:
    """The adjudicator of a case, with the number of terms that reach each element of its outputs and derivatives."""

    adjudicator: Adjudicator
    terms: Mapping[str, Array]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the output."""
        return self.terms["output"].shape


def appoint(case: Case, framework: str, adjudicators: Iterable[Adjudicator]) -> Appointment | None:
    """The first adjudicator, in order of preference, that can compute the framework's calls; the same for all lanes.

    One that can differentiate them as well is preferred, where that is asked for.
    """
    able: list[Appointment] = []
    for adjudicator in adjudicators:
        terms = adjudicator.outputs(case, framework, fills.ones(case, adjudicator.whole, None))
        if terms is None:
            continue
        weighted = fills.ones(case, adjudicator.whole, terms["output"].shape)
        if weighted.cotangent is None:
            return Appointment(adjudicator, terms)
        able.append(Appointment(adjudicator, adjudicator.outputs(case, framework, weighted) or terms))
        if any(map(derivative, able[-1].terms)):
            return able[-1]
    return able[0] if able else None


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
    """The exact lane's smallest integers, for a case that nobody can adjudicate; none of its derivatives are asked."""
    drawn = fills.specialised(case, fills.integers(case, fills.SMALLEST, None), dtype)
    return Setting(Lane.EXACT, fills.given(case, drawn, dtype), None, {})


def _adjudicated(question: Question, appointed: Appointment) -> Setting | None:
    case, framework, adjudicator = question.case, question.framework, appointed.adjudicator
    exact = question.lane is Lane.EXACT
    drawn = _exact_fill(question, appointed) if exact else fills.reals(case, appointed.shape)
    if drawn is None:
        return None
    # What the sides are given is rounded to their dtype first; the truth is computed from the very same values.
    given = question.given(drawn)
    precise = given.astype(np.dtype(adjudicator.whole if exact and not case.special else np.float64))
    truth = adjudicator.outputs(case, framework, precise)
    if truth is None:
        return None
    if exact and case.special:
        truth = {name: question.stored(value) for name, value in truth.items()}  # beyond the largest lies infinity
    elif exact and not all(np.array_equal(value, np.rint(value)) for value in truth.values()):
        raise NotASum("integers in give no integers out: this layer needs a 'tolerance' by dtype, with its reason")
    silent = _silent(question, appointed)
    if silent >= truth.keys():
        return None
    judges = _judges(question, appointed, {k: v for k, v in truth.items() if k not in silent}, precise)
    return Setting(question.lane, given, adjudicator.name, judges, silent)


def _silent(question: Question, appointed: Appointment) -> frozenset[str]:
    """What has too many terms for the rounding lane of its dtype."""
    if question.lane is Lane.EXACT or question.dtype in question.case.tolerances:
        return frozenset()
    return frozenset(name for name, terms in appointed.terms.items() if not question.telling(terms))


def _judges(
    question: Question, appointed: Appointment, truth: Mapping[str, Array], precise: Tensors
) -> dict[str, Judge]:
    case, adjudicator, framework = question.case, appointed.adjudicator, question.framework
    without = adjudicator.outputs(case, framework, precise.without("bias")) if "bias" in precise.state else None
    unbiased = {name: question.stored(value) for name, value in (without or {}).items()}
    bounds = _bounds(question, appointed, truth, precise)
    # Ones count the terms of sums of products; a layer that is none can have a derivative of zero there.
    terms = {} if question.case.tolerances else appointed.terms
    return {
        name: Judge(question.lane, bounds.get(name), value, unbiased.get(name), _reached(name, terms.get(name)))
        for name, value in truth.items()
        # A derivative that nothing reaches is zero whatever the sides compute.
        if not derivative(name) or name not in terms or terms[name].any()
    }


def _reached(name: str, terms: Array | None) -> tuple[slice, ...]:
    """The smallest box around all that a term reaches. A derivative of a few places only is no less of a proof."""
    if not derivative(name) or terms is None:
        return ()
    return tuple(slice(int(places.min()), int(places.max()) + 1) for places in np.nonzero(terms))


def _bounds(
    question: Question, appointed: Appointment, truth: Mapping[str, Array], precise: Tensors
) -> dict[str, Array]:
    """The bound of each output and derivative; none in the exact lane, where every difference counts."""
    if question.lane is Lane.EXACT:
        return {}
    row = question.case.tolerances.get(question.dtype)
    if row is not None:
        return {name: tolerance.table_bound(row, value) for name, value in truth.items()}
    terms = appointed.terms
    magnitude = appointed.adjudicator.outputs(question.case, question.framework, precise.map(np.abs)) or {}
    return {name: question.bound(terms[name], magnitude[name]) for name in truth}


def _exact_fill(question: Question, appointed: Appointment) -> Tensors | None:
    """The richest integers whose every sum is exact; ``None`` where there are none."""
    case, limit = question.case, tolerance.exact_limit(question.dtype, question.short)
    for spread in fills.spreads(appointed.terms, limit):
        drawn = fills.integers(case, spread, appointed.shape)
        if spread.sure or _peak(question, appointed, drawn) < limit:
            return fills.specialised(case, drawn, question.dtype)
    return None


def _peak(question: Question, appointed: Appointment, drawn: Tensors) -> float:
    """The largest sum of magnitudes that reaches an element of the outputs or derivatives."""
    magnitudes = drawn.map(lambda array: np.abs(array).astype(appointed.adjudicator.whole))
    found = appointed.adjudicator.outputs(question.case, question.framework, magnitudes)
    return max((float(array.max(initial=0)) for array in found.values()), default=0.0) if found else float("inf")
