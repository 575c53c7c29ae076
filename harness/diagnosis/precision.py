"""The reference's values, nearly: in a narrower dtype, or but for rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.diagnosis.evidence import Diagnosis
from harness.diagnosis.pair import (
    CHANNEL_AXIS,
    FIRST_SPATIAL_AXIS,
    LEAST_CHANCE,
    SAMPLE,
    Pair,
    largest,
    others,
    scattered,
)
from harness.model import Array
from harness.tolerance import SIGNIFICAND

# Values of a narrower dtype within so many of its units of the reference's come from computing in it; those within
# half a unit may have been computed otherwise, and were rounded at the end.
COMPUTED = 16
# So many elements are looked at before all are.
LOOK = 64
# Rounding is what stays within so many units in the last place of the largest value of the channel ...
FEW_ULPS = 8
# ... or of twice what two errors may come to; and within this part of the largest value in any case.
TIMES_BOUND, LARGEST_PART = 2, 1 / 64


def cast(pair: Pair) -> Diagnosis | None:
    """Every value is one that a narrower dtype or an integer can hold, and is near the reference's, which is not."""
    if not (np.isfinite(pair.actual).all() and np.isfinite(pair.expected).all()):
        return None
    return _whole(pair) or _narrowed(pair)


def _narrowed(pair: Pair) -> Diagnosis | None:
    own = SIGNIFICAND.get(pair.evidence.actual.dtype.name, 0)
    some = pair.actual.ravel()[scattered(pair.actual.size, LOOK)]
    for dtype, rounded in NARROWER.items():
        lost = own - SIGNIFICAND[dtype]
        if lost <= 0 or not all((rounded(array) == array).all() for array in (some, pair.actual)):
            continue
        distance = np.abs(pair.actual - pair.expected)
        unit = 2.0 ** (1 - SIGNIFICAND[dtype])
        if not (distance <= COMPUTED * unit * _scale(pair.expected)).all():
            continue
        held = rounded(pair.expected) == pair.expected
        if pair.convinces(int((pair.different & ~held).sum()), len(NARROWER), _by_chance(pair, lost, rounded)):
            half = unit / 2 * np.maximum(np.abs(pair.actual), np.abs(pair.expected))
            how = "rounded to" if (distance <= half + 2 * pair.bound).all() else "as if computed in"
            return Diagnosis("cast", f"{pair.evidence.mine} is {pair.evidence.theirs} {how} {dtype}")
    return None


def _by_chance(pair: Pair, lost: int, rounded: Callable[[Array], Array]) -> float:
    """How often the narrower dtype holds a value that has nothing to do with it."""
    if not pair.whole:
        return max(2.0**-lost, LEAST_CHANCE)
    integers = np.rint(np.linspace(1, max(largest(pair.expected), 1), SAMPLE))
    return max(float((rounded(integers) == integers).mean()), LEAST_CHANCE)


def _bfloat16(array: Array) -> Array:
    # Rounded to eight significant bits; its range is that of float32.
    fraction, exponent = np.frexp(array)
    return np.asarray(np.ldexp(np.rint(fraction * 2.0**8), exponent - 8))


def _through(dtype: type[np.float16] | type[np.float32]) -> Callable[[Array], Array]:
    def rounded(array: Array) -> Array:
        return array.astype(dtype).astype(np.float64)

    return rounded


NARROWER: Mapping[str, Callable[[Array], Array]] = {
    "bfloat16": _bfloat16,
    "float16": _through(np.float16),
    "float32": _through(np.float32),
}


def _whole(pair: Pair) -> Diagnosis | None:
    actual, expected = pair.actual, pair.expected
    if not (actual == np.rint(actual)).all():
        return None
    # An integer comes by chance the more often, the fewer places behind the point the dtype has left.
    chance = max(LEAST_CHANCE, pair.eps * float(np.abs(expected).max(initial=0)))
    if not pair.convinces(int((pair.different & (expected != np.rint(expected))).sum()), 2, chance):
        return None
    tolerance = 2 * pair.bound
    before = np.abs(expected) - np.abs(actual)
    if (before >= -tolerance).all() and (before < 1 + tolerance).all() and (actual * expected >= 0).all():
        return Diagnosis("cast", f"{pair.evidence.mine} is {pair.evidence.theirs} cut off to whole numbers")
    if (2 * np.abs(actual - expected) <= 1 + 2 * tolerance).all():
        return Diagnosis("cast", f"{pair.evidence.mine} is {pair.evidence.theirs} rounded to whole numbers")
    return None


def rounding(pair: Pair) -> Diagnosis | None:
    """Every difference is of the size of an error of rounding, though one of the two is beyond the bound."""
    if not pair.telling:
        said = f"{pair.evidence.mine} is {pair.evidence.theirs} but for rounding: within the bounds of one another"
        return Diagnosis("rounding", said)
    if not pair.eps or not (np.isfinite(pair.actual) == np.isfinite(pair.expected)).all():
        return None
    finite = np.isfinite(pair.expected)
    distance = np.abs(np.where(finite, pair.actual, 0) - np.where(finite, pair.expected, 0))
    scale = _scale(np.where(finite, pair.expected, 0))
    level = np.maximum(FEW_ULPS * pair.eps * scale, TIMES_BOUND * 2 * pair.bound)
    if not (distance <= np.minimum(level, LARGEST_PART * scale)).all():
        return None
    if pair.whole and not 2 * distance.max() < 1:
        return None  # integers are exact: one off is another integer, however large both are
    ulps = float((distance / np.where(scale > 0, pair.eps * scale, np.inf)).max())
    return Diagnosis("rounding", f"{pair.evidence.mine} is {pair.evidence.theirs} but for rounding: {_ulps(ulps)}")


def _ulps(ulps: float) -> str:
    return f"up to {max(ulps, 0.1):.1f} units in the last place of the channel's largest value"


def _scale(array: Array) -> Array:
    """The largest magnitude of each channel, where an array has spatial axes; else of all."""
    channelled = array.ndim > FIRST_SPATIAL_AXIS
    over = others(array.ndim, CHANNEL_AXIS) if channelled else tuple(range(array.ndim))
    return np.asarray(np.abs(array).max(axis=over, keepdims=True, initial=0))
