"""The reference's elements at their places, with something done to them: negated, a bias, a factor, an addend."""

from __future__ import annotations

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
    finite = np.isfinite(pair.actual) & np.isfinite(pair.expected)
    actual, expected = np.where(finite, pair.actual, 0.0), np.where(finite, pair.expected, 0.0)
    products, squares = actual * expected, expected * expected
    for axis in _axes(pair):
        product, square = _sum(products, axis), _sum(squares, axis)
        factor = np.divide(product, square, out=np.ones_like(square), where=square > 0)
        if _is(pair, np.multiply, factor, 1 + np.abs(factor)):
            how = _numbers(factor, axis, "factor")
            return Diagnosis("scaled", f"{pair.evidence.mine} is {pair.evidence.theirs} times {how}")
    return None


def offset(pair: Pair) -> Diagnosis | None:
    """One addend for all, or one for each channel, or for each slice of the first axis."""
    finite = np.isfinite(pair.actual) & np.isfinite(pair.expected)
    differences = np.where(finite, pair.actual, 0.0) - np.where(finite, pair.expected, 0.0)
    counts = finite.astype(np.float64)
    for axis in _axes(pair):
        addend = _sum(differences, axis) / np.maximum(_sum(counts, axis), 1)
        if _is(pair, np.add, addend, np.full_like(addend, 2)):
            how = _numbers(addend, axis, "number")
            return Diagnosis("offset", f"{pair.evidence.mine} is {pair.evidence.theirs} plus {how}")
    return None


def _axes(pair: Pair) -> list[int | None]:
    """No axis, for one number for all; then those whose slices can have a number each."""
    return [None, *(axis for axis in (CHANNEL_AXIS, 0) if axis < pair.actual.ndim and pair.actual.shape[axis] > 1)]


def _sum(array: Array, axis: int | None) -> Array:
    over = tuple(range(array.ndim)) if axis is None else others(array.ndim, axis)
    return np.asarray(array.sum(axis=over, keepdims=True))


def _is(pair: Pair, operation: np.ufunc, numbers: Array, errors: Array) -> bool:
    """Whether the operation makes the reference's array the subject's, by more than chance.

    Args:
        pair: the two.
        operation: of the reference's array and the numbers.
        numbers: one for all or one for each slice, with an axis for every one of the array's.
        errors: of both sides, in bounds; of the same shape.
    """
    numbers_of, errors_of = (np.broadcast_to(each, pair.expected.shape) for each in (numbers, errors))
    for part in looks(pair.expected.shape):
        candidate = operation(pair.expected[part], numbers_of[part])
        # The numbers are read off values that err, and may be off as much again; and the subject rounds once.
        tolerance = 2 * errors_of[part] * pair.bound[part] + pair.eps * np.abs(candidate)
        if not agree(pair.actual[part], candidate, tolerance).all():
            return False
    # Where a slice holds one value only, any number fits it; and each number has one place to be read off.
    over = tuple(axis for axis, extent in enumerate(numbers.shape) if extent == 1)
    spread = pair.expected.max(axis=over, keepdims=True) - pair.expected.min(axis=over, keepdims=True)
    telling = ~agree(pair.actual, pair.expected, tolerance) & ~(spread <= 2 * tolerance)
    return pair.convinces(int(telling.sum()) - numbers.size)


def _numbers(numbers: Array, axis: int | None, word: str) -> str:
    each = [f"{float(number):.6g}" for number in numbers.ravel()]
    if len(set(each)) == 1:
        return each[0]
    of = slices(axis or 0)
    if len(each) <= WRITTEN_OUT:
        return f"one {word} for each of its {of}: {', '.join(each)}"
    return f"one {word} for each of its {len(each)} {of}, from {float(numbers.min()):.6g} to {float(numbers.max()):.6g}"
