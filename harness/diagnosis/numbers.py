"""The reference's elements at their places, with something done to them: negated, a bias, a factor, an addend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.diagnosis.evidence import Diagnosis
from harness.diagnosis.pair import CHANNEL_AXIS, Pair, agree, everywhere, looks, others, slices
from harness.model import Array

# So many factors or addends are written out.
WRITTEN_OUT = 8


def negated(pair: Pair) -> Diagnosis | None:
    """Every sign is the other one."""
    if not everywhere(pair.actual, -pair.expected, 2 * pair.bound) or not pair.convinces(pair.telling):
        return None
    return Diagnosis("negated", f"{pair.evidence.mine} is {pair.evidence.theirs} with every sign reversed")


def bias(pair: Pair) -> Diagnosis | None:
    """Kinds ``bias_missing`` and ``bias_doubled``, of whichever side it is."""
    truth, unbiased = pair.evidence.truth, pair.evidence.unbiased
    if truth is None or unbiased is None or not truth.shape == unbiased.shape == pair.actual.shape:
        return None
    right, without = truth.astype(np.float64), unbiased.astype(np.float64)
    # In the rounding lane the array without the bias was rounded to the sides' dtype.
    tolerance = 2 * pair.bound + (pair.eps * np.abs(without) if np.any(pair.bound) else 0.0)
    sides = ((pair.actual, pair.expected, pair.evidence.mine), (pair.expected, pair.actual, pair.evidence.counterpart))
    for wrong, other, name in sides:
        if not everywhere(other, right, tolerance):
            continue
        if everywhere(wrong, without, tolerance) and pair.convinces(pair.unexplained(tolerance), len(sides)):
            return Diagnosis("bias_missing", f"{name} lacks the bias, and is right but for that")
        twice, margin = 2 * right - without, 2 * tolerance
        if everywhere(wrong, twice, margin) and pair.convinces(pair.unexplained(margin), len(sides)):
            return Diagnosis("bias_doubled", f"{name} has the bias twice, and is right but for that")
    return None


def scaled(pair: Pair) -> Diagnosis | None:
    """One factor for all, or one for each channel, or for each slice of the first axis."""
    return _with_numbers(pair, _SCALED)


def offset(pair: Pair) -> Diagnosis | None:
    """One addend for all, or one for each channel, or for each slice of the first axis."""
    return _with_numbers(pair, _OFFSET)


@dataclass(frozen=True)
class _Rule:
    """What is done to the reference's array with a number.

    Attributes:
        kind: the diagnosis.
        words: how a sentence goes on with the number.
        apply: of the reference's array and the number.
        read: the numbers that fit best, of both arrays where both are finite and of the axes they hold along.
        errors: how many bounds both sides may err by together.
    """

    kind: str
    words: tuple[str, str]
    apply: np.ufunc
    read: Callable[[Array, Array, Array, tuple[int, ...]], Array]
    errors: Callable[[Array], Array]


def _factor(actual: Array, expected: Array, _: Array, axes: tuple[int, ...]) -> Array:
    squares = (expected * expected).sum(axis=axes, keepdims=True)
    products = (actual * expected).sum(axis=axes, keepdims=True)
    return np.asarray(np.divide(products, squares, out=np.ones_like(squares), where=squares > 0))


def _addend(actual: Array, expected: Array, finite: Array, axes: tuple[int, ...]) -> Array:
    counts = np.maximum(finite.sum(axis=axes, keepdims=True), 1)
    return np.asarray((actual - expected).sum(axis=axes, keepdims=True) / counts)


_SCALED = _Rule("scaled", ("times", "factor"), np.multiply, _factor, lambda factor: 1 + np.abs(factor))
_OFFSET = _Rule("offset", ("plus", "number"), np.add, _addend, lambda addend: np.full_like(addend, 2))


def _with_numbers(pair: Pair, rule: _Rule) -> Diagnosis | None:
    for axis in (None, CHANNEL_AXIS, 0):
        if axis is not None and (axis >= pair.actual.ndim or pair.actual.shape[axis] == 1):
            continue
        numbers = _read(pair, rule, axis)
        if numbers is not None:
            verb, noun = rule.words
            said = f"{pair.evidence.mine} is {pair.evidence.theirs} {verb} {_written(numbers, axis, noun)}"
            return Diagnosis(rule.kind, said)
    return None


def _read(pair: Pair, rule: _Rule, axis: int | None) -> Array | None:
    """The numbers, one for all or one for each slice, if they make one array the other by more than chance."""
    axes = tuple(range(pair.actual.ndim)) if axis is None else others(pair.actual.ndim, axis)
    for part in looks(pair.actual.shape):
        actual, expected = pair.actual[part], pair.expected[part]
        finite = np.isfinite(actual) & np.isfinite(expected)
        numbers = rule.read(np.where(finite, actual, 0.0), np.where(finite, expected, 0.0), finite, axes)
        candidate = rule.apply(expected, numbers)
        # The numbers are read off values that err, and may be off as much again; and the subject rounds once.
        tolerance = 2 * rule.errors(numbers) * pair.bound[part] + pair.eps * np.abs(candidate)
        if not agree(actual, candidate, tolerance).all():
            return None
    # Where a slice holds one value only, any number fits it; and each number has one place to be read off.
    spread = pair.expected.max(axis=axes, keepdims=True) - pair.expected.min(axis=axes, keepdims=True)
    telling = ~agree(pair.actual, pair.expected, tolerance) & ~(spread <= 2 * tolerance)
    return numbers if pair.convinces(int(telling.sum()) - numbers.size) else None


def _written(numbers: Array, axis: int | None, word: str) -> str:
    each = [f"{float(number):.6g}" for number in numbers.ravel()]
    if len(set(each)) == 1:
        return each[0]
    of = slices(axis or 0)
    if len(each) <= WRITTEN_OUT:
        return f"one {word} for each of its {of}: {', '.join(each)}"
    return f"one {word} for each of its {len(each)} {of}, from {float(numbers.min()):.6g} to {float(numbers.max()):.6g}"
