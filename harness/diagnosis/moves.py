"""The reference's elements at other places along axes that have a direction: flipped, transposed, shifted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import cache, partial

import numpy as np

from harness.diagnosis.evidence import Diagnosis
from harness.diagnosis.pair import FIRST_SPATIAL_AXIS, Pair, agree, everywhere, listed

# With more axes than this, only exchanges of two of them are tried.
MOST_AXES = 5
# The place of the probe below can be a zero like many others: this many shifts are looked into, the shortest first.
MOST_SHIFTS = 100
# The slices of batch and channels that the probe looks at.
PROBED = (slice(0, 4), slice(0, 64))


def flipped(pair: Pair) -> Diagnosis | None:
    """The reference's array read backwards along one axis after the channels, or along several."""
    spatial = range(FIRST_SPATIAL_AXIS, pair.actual.ndim)
    for count in range(1, len(spatial) + 1):
        for axes in itertools.combinations(spatial, count):
            if pair.is_moved(partial(np.flip, axis=axes), 2 ** len(spatial)):
                along = listed([f"axis {axis}" for axis in axes])
                return Diagnosis("flipped", f"{pair.evidence.mine} is {pair.evidence.theirs} flipped along {along}")
    return None


def transposed(pair: Pair) -> Diagnosis | None:
    """The reference's axes in another order; shapes may differ. Exchanges of two come first."""
    orders = _orders(pair.expected.ndim)
    for order, how in orders.items():
        shape = tuple(pair.expected.shape[axis] for axis in order)
        if shape == pair.actual.shape and pair.is_moved(partial(np.transpose, axes=order), len(orders)):
            return Diagnosis("transposed", f"{pair.evidence.mine} is {pair.evidence.theirs} with {how}")
    return None


@cache
def _orders(ndim: int) -> Mapping[tuple[int, ...], str]:
    """Orders of axes, in words; exchanges of two come first, and the order as it is is none."""
    same, found = tuple(range(ndim)), dict[tuple[int, ...], str]()
    for one, other in itertools.combinations(same, 2):
        swapped = {one: other, other: one}
        found[tuple(swapped.get(axis, axis) for axis in same)] = f"axes {one} and {other} swapped"
    for order in itertools.permutations(same) if ndim <= MOST_AXES else ():
        if order != same:
            found.setdefault(order, f"its axes in the order {', '.join(map(str, order))}")
    return found


def shifted(pair: Pair) -> Diagnosis | None:
    """The reference's elements further on along axes after the channels; at least half of each axis has to overlap."""
    if pair.actual.ndim <= FIRST_SPATIAL_AXIS or not pair.actual.size:
        return None
    tried = math.prod(pair.actual.shape[FIRST_SPATIAL_AXIS:])
    for shift in itertools.islice(_shifts(pair), MOST_SHIFTS):
        if _overlaps(pair, shift, tried):
            axes = enumerate(shift, FIRST_SPATIAL_AXIS)
            along = ", ".join(f"{by:+d} along axis {axis}" for axis, by in axes if by)
            said = f"{pair.evidence.mine} is {pair.evidence.theirs} shifted by {along}{_entering(pair, shift)}"
            return Diagnosis("shifted", said)
    return None


Shift = tuple[int, ...]


def _shifts(pair: Pair) -> Iterator[Shift]:
    """Shifts that would explain the element in the middle, in each slice of batch and channels; short ones first."""
    extents = pair.actual.shape[FIRST_SPATIAL_AXIS:]
    middle = tuple(extent // 2 for extent in extents)
    at = (*PROBED, *(slice(place, place + 1) for place in middle))
    tolerance = pair.bound[at] + pair.bound[PROBED]
    likely = agree(pair.actual[at], pair.expected[PROBED], tolerance).all(axis=(0, 1))
    found = np.asarray(middle) - np.argwhere(likely)
    found = found[found.any(axis=1)]  # no longer than half of an axis, since they start from the middle
    for by in found[np.argsort(np.abs(found).sum(axis=1), kind="stable")]:
        yield tuple(map(int, by))


def _parts(pair: Pair, shift: Shift) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the overlap lies in the subject's and in the reference's array."""
    whole = (slice(None),) * FIRST_SPATIAL_AXIS
    pairs = list(zip(pair.actual.shape[FIRST_SPATIAL_AXIS:], shift, strict=True))
    here = tuple(slice(max(by, 0), extent + min(by, 0)) for extent, by in pairs)
    there = tuple(slice(max(-by, 0), extent - max(by, 0)) for extent, by in pairs)
    return (*whole, *here), (*whole, *there)


def _overlaps(pair: Pair, shift: Shift, tried: int) -> bool:
    here, there = _parts(pair, shift)
    actual, tolerance = pair.actual[here], pair.bound[here] + pair.bound[there]
    if not everywhere(actual, pair.expected[there], tolerance):
        return False
    return pair.convinces(int((~agree(actual, pair.expected[here], tolerance)).sum()), tried)


def _entering(pair: Pair, shift: Shift) -> str:
    """What stands where nothing was shifted to."""
    axes = tuple(range(FIRST_SPATIAL_AXIS, pair.actual.ndim))
    bound = pair.bound + np.roll(pair.bound, shift, axes)
    if agree(pair.actual, np.roll(pair.expected, shift, axes), bound).all():
        return ", going round"
    entering = np.ones(pair.actual.shape, bool)
    entering[_parts(pair, shift)[0]] = False
    return "" if np.any(pair.actual[entering]) else ", with zeros coming in"
