"""A picture of a difference, in characters."""

from __future__ import annotations

import numpy as np

from harness.compare import distance
from harness.diagnosis.pair import CHANNEL_AXIS, FIRST_SPATIAL_AXIS
from harness.model import Array

MOST_ROWS, MOST_COLUMNS = 12, 32
SAME, MISSING = ".", "!"
LARGEST = 9
# Two digits are a factor of ten: rounding and meaning are far apart, and both are seen.
DIGITS_PER_DECADE = 2


def picture(actual: Array, expected: Array) -> tuple[str, ...]:
    """|actual - expected| as rows of characters, at most 12 of at most 32.

    ``9`` is the largest difference and what is less than about three times smaller, ``8`` what is three times smaller
    again, and so on down to ``0`` for all that is smaller still; ``.`` is no difference at all; ``!`` is a difference
    that is not finite, or a place that only one side has. A character stands for the largest difference in a block.

    The last axis runs across, the one before it down, and the axes before that are folded into these, so that a border
    and a shift show. If some channels (or slices of the first axis) differ and others do not, these run down instead.
    A vector is one row.

    Returns:
        No rows if the two have different numbers of axes, or no elements.
    """
    if actual.ndim != expected.ndim or not max(actual.size, expected.size):
        return ()
    flat = _flat(_distances(actual, expected))
    blocks = _folded(_folded(flat, 0, MOST_ROWS), 1, MOST_COLUMNS)
    return tuple("".join(row) for row in _characters(blocks))


def _distances(actual: Array, expected: Array) -> Array:
    """The distance of each element, infinite where it is not a number; of the larger extent along each axis."""
    whole = np.full(tuple(map(max, zip(actual.shape, expected.shape, strict=True))), np.inf)
    both = tuple(slice(0, min(extents)) for extents in zip(actual.shape, expected.shape, strict=True))
    whole[both] = distance(actual[both], expected[both])
    return whole


def _flat(distances: Array) -> Array:
    """Two dimensions, the rest folded by the largest."""
    if distances.ndim <= FIRST_SPATIAL_AXIS:
        return distances.reshape(-1, distances.shape[-1] if distances.ndim else 1)
    down = distances.ndim - 2
    for axis in (CHANNEL_AXIS, 0):
        differs = distances.any(axis=tuple(each for each in range(distances.ndim) if each != axis))
        if differs.any() and not differs.all():
            down = axis
            break
    across = distances.ndim - 1
    return np.asarray(distances.max(axis=tuple(each for each in range(distances.ndim) if each not in (down, across))))


def _folded(flat: Array, axis: int, most: int) -> Array:
    extent = flat.shape[axis]
    if extent <= most:
        return flat
    return np.asarray(np.maximum.reduceat(flat, np.arange(most) * extent // most, axis=axis))


def _characters(blocks: Array) -> Array:
    finite = blocks[np.isfinite(blocks)]
    largest = finite.max(initial=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.floor(DIGITS_PER_DECADE * np.log10(largest / blocks))
    digits = np.clip(LARGEST - np.nan_to_num(steps), 0, LARGEST).astype(int).astype(str)
    return np.where(np.isinf(blocks), MISSING, np.where(blocks == 0, SAME, digits))
