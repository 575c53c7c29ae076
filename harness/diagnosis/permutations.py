"""The reference's slices along one axis in another order: channels, groups of them, gates."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from harness.diagnosis.evidence import Diagnosis
from harness.diagnosis.pair import Pair, agree, others, scattered, slices
from harness.model import Array

# More slices than this are not matched with one another.
MOST_SLICES = 512
# Elements of a slice that matching looks at, first and then; and comparisons that the second look may take.
LOOKS, MOST_WORK = (4, 64), 1 << 21
# An order of so many slices is written out.
WRITTEN_OUT = 16


def permuted(pair: Pair) -> Diagnosis | None:
    """Kinds ``groups``, ``shuffled`` and ``permuted``, along any axis."""
    for axis in range(pair.actual.ndim) if pair.same_total else ():
        order = _order(pair, axis)
        if order is None or (order == np.arange(order.size)).all():
            continue
        if pair.is_moved(partial(np.take, indices=order, axis=axis), math.factorial(order.size)):
            kind, how = _named(order, axis)
            return Diagnosis(kind, f"{pair.evidence.mine} is {pair.evidence.theirs} with {how}")
    return None


def _order(pair: Pair, axis: int) -> Array | None:
    """Which of the reference's slices each of the subject's is, going by some of their elements."""
    extent = pair.actual.shape[axis]
    if not 1 < extent <= MOST_SLICES:
        return None
    for most in LOOKS:
        equal = _equal(pair, axis, min(most, max(LOOKS[0], MOST_WORK // extent**2)))
        if not (equal.any(axis=0) & equal.any(axis=1)).all():
            return None
    # A slice that can be at its own place is; so the order says no more than it has to where slices are equal.
    order = np.where(equal.diagonal(), np.arange(extent), -1)
    for place in np.flatnonzero(order < 0):
        free = np.setdiff1d(np.flatnonzero(equal[place]), order)
        if not free.size:
            return None
        order[place] = free[0]
    return order


def _equal(pair: Pair, axis: int, most: int) -> Array:
    """Which of the subject's slices (down) equals which of the reference's (across), in so many elements."""
    actual, expected, bound = (_sampled(array, axis, most) for array in (pair.actual, pair.expected, pair.bound))
    return np.asarray(agree(actual[:, None], expected[None], bound[:, None] + bound[None]).all(axis=2))


def _sampled(array: Array, axis: int, most: int) -> Array:
    """Some elements of each slice along an axis, in a row."""
    rest = [array.shape[other] for other in others(array.ndim, axis)]
    places = np.unravel_index(scattered(math.prod(rest), most), rest) if rest else ()
    at: Any = (slice(None), *places)
    return np.asarray(np.moveaxis(array, axis, 0)[at].reshape(array.shape[axis], -1))


def _named(order: Array, axis: int) -> tuple[str, str]:
    blocks = _blocks(order)
    if blocks is not None:
        size = order.size // blocks.size
        if blocks.tolist() == [1, 0]:
            return "groups", f"the two groups of {size} {slices(axis)} swapped"
        return "groups", f"its {blocks.size} groups of {size} {slices(axis)} in the order {_row(blocks)}"
    for groups in _divisors(order.size):
        if (np.arange(order.size).reshape(groups, -1).T.ravel() == order).all():
            return "shuffled", f"its {slices(axis)} shuffled: taken in turn from each of {groups} groups"
    return "permuted", _permutation(order, axis)


def _blocks(order: Array) -> Array | None:
    """The order of equal blocks of neighbours, as large as can be, that makes this order."""
    for size in reversed(_divisors(order.size)):
        rows = order.reshape(-1, size)
        if (rows == rows[:, :1] + np.arange(size)).all():
            return np.asarray(rows[:, 0] // size)
    return None


def _divisors(number: int) -> list[int]:
    return [each for each in range(2, number // 2 + 1) if number % each == 0]


def _permutation(order: Array, axis: int) -> str:
    first, *rest = np.flatnonzero(order != np.arange(order.size))
    if len(rest) == 1:
        return f"{slices(axis, f'{first} and {rest[0]}')} swapped"
    if (order == np.arange(order.size)[::-1]).all():
        return f"its {slices(axis)} in reverse order"
    if order.size <= WRITTEN_OUT:
        return f"its {slices(axis)} in the order {_row(order)}"
    return f"{1 + len(rest)} of its {order.size} {slices(axis)} in another order"


def _row(order: Array) -> str:
    return ", ".join(str(each) for each in order)
