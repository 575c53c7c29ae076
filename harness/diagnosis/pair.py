"""Two arrays side by side in float64: where they agree, and how much an agreement is worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.diagnosis.evidence import Evidence
from harness.model import Array
from harness.tolerance import SIGNIFICAND

# Axis 1 holds the channels; the axes after it have a start and an end.
CHANNEL_AXIS, FIRST_SPATIAL_AXIS = 1, 2
# A pattern counts if arrays that have nothing to do with one another would show it less often than this.
BY_CHANCE = 1e-6
# However many different values there are, two places are taken to be equal by chance at least this often.
LEAST_CHANCE = 1e-4
# How many elements of an array stand for all of them, where all would take long.
SAMPLE = 1024
# The middle of two arrays, so many elements along each axis, is compared before all of them is.
MIDDLE = 4


@dataclass(frozen=True)
class Pair:
    """What the rules look at; each property is computed once, when a rule first asks for it."""

    evidence: Evidence

    @cached_property
    def actual(self) -> Array:
        """The subject's array in float64."""
        return self.evidence.actual.astype(np.float64)

    @cached_property
    def expected(self) -> Array:
        """The reference's array in float64."""
        return self.evidence.expected.astype(np.float64)

    @cached_property
    def bound(self) -> Array:
        """Largest allowed error of one side, of the reference's shape; zero in the exact lane."""
        given, shape = self.evidence.bound, self.evidence.expected.shape
        if given is None or not given.size:
            return np.broadcast_to(0.0, shape)
        # A bound of another shape cannot be laid over the array: its largest value holds everywhere.
        known = given if given.shape == shape else np.broadcast_to(given.max(), shape)
        return np.minimum(known.astype(np.float64), np.finfo(np.float64).max / 4)

    @property
    def alike(self) -> bool:
        """Whether both have the same shape."""
        return self.evidence.actual.shape == self.evidence.expected.shape

    @cached_property
    def different(self) -> Array:
        """Where the two are further apart than two errors; both have to be of one shape."""
        return ~agree(self.actual, self.expected, 2 * self.bound)

    @cached_property
    def telling(self) -> int:
        """How many places speak for a pattern that explains all: those that the reference itself does not explain."""
        return int(self.different.sum()) if self.alike else self.actual.size

    @cached_property
    def eps(self) -> float:
        """Distance from one to the next number of the subject's dtype; zero for integers."""
        bits = SIGNIFICAND.get(self.evidence.actual.dtype.name)
        return 0.0 if bits is None else 2.0 ** (1 - bits)

    @cached_property
    def chance(self) -> float:
        """How likely it is that a value is right by chance, to within two errors; one where there is but one value.

        The largest of: how often two places of the reference agree; how much of its span one value takes; and how much
        of the span of the differences, since arrays that are near each other hold few values to choose from.
        """
        places = scattered(self.expected.size)
        values, bound = self.expected.ravel()[places], self.bound.ravel()[places]
        values = np.sort(values[np.isfinite(values)])
        span = float(values[-1] - values[0]) if values.size else 0.0
        if not span > 0:
            return 1.0
        reach = 4 * float(np.median(bound))  # two errors to either side
        until = np.searchsorted(values, values + reach / 2, side="right")
        equal = float((until - np.arange(1, values.size + 1)).sum()) / (values.size * (values.size - 1) / 2)
        step = 1.0 if self.whole else self.eps * float(np.abs(values).max())
        if self.alike:
            span = min(span, 2 * largest(self.actual - self.expected))
        return min(1.0, max(LEAST_CHANCE, equal, (step + reach) / (span + step)))

    @cached_property
    def whole(self) -> bool:
        """Whether the reference holds integers only, which can be no nearer to each other than one."""
        return bool((self.expected == np.rint(self.expected)).all())

    @cached_property
    def same_total(self) -> bool:
        """Whether all elements add up to the same: however they are moved, they do, and most arrays do not."""
        mine, theirs = (array[np.isfinite(array)] for array in (self.actual, self.expected))
        errors = 2 * self.bound.sum() + 1e-9 * np.abs(theirs).sum()  # those of both sides, and of this sum
        return bool(np.abs(mine.sum() - theirs.sum()) <= errors)

    @cached_property
    def bias(self) -> Array | None:
        """What the bias adds to each channel, with an axis for every one of the array's; ``None`` if not known."""
        truth, unbiased = self.evidence.truth, self.evidence.unbiased
        if truth is None or unbiased is None or truth.shape != unbiased.shape or truth.ndim <= CHANNEL_AXIS:
            return None
        difference = truth.astype(np.float64) - unbiased.astype(np.float64)
        each = difference.mean(axis=others(truth.ndim, CHANNEL_AXIS), keepdims=True)
        rounding = 4 * self.eps * np.abs(truth).max(initial=0)
        return np.asarray(each) if (np.abs(difference - each) <= rounding).all() else None

    def convinces(self, telling: int, tried: int = 1, chance: float | None = None) -> bool:
        """Whether a pattern is more than chance.

        Args:
            telling: places that it explains and that nothing simpler does.
            tried: how many patterns of its kind there are.
            chance: how likely it is to be right on one such place by chance; else that two places are equal.
        """
        chance = self.chance if chance is None else chance
        if telling <= 0 or not 0 < chance < 1:
            return False
        return telling * math.log(chance) + math.log(tried) <= math.log(BY_CHANCE)

    def is_moved(self, move: Callable[[Array], Array], tried: int) -> bool:
        """Whether the subject's array is the reference's with its elements at other places.

        Args:
            move: gives the reference's array in that other order.
            tried: how many such orders there are.
        """
        if self.alike and not self.same_total:
            return False
        bound = move(self.bound)
        tolerance = self.bound + bound if self.alike else 2 * bound
        if not everywhere(self.actual, move(self.expected), tolerance):
            return False
        return self.convinces(self.unexplained(tolerance) if self.alike else self.telling, tried)

    def unexplained(self, tolerance: Array) -> int:
        """How many places differ by more than what a pattern is granted; it has to be better than none."""
        return int((~agree(self.actual, self.expected, tolerance)).sum())


def agree(left: Array, right: Array, tolerance: Array | float) -> Array:
    """Where two arrays are equal within the tolerance; NaN equals NaN, and infinities are equal by sign."""
    near = np.abs(left - right) <= tolerance
    return np.asarray(near | (left == right) | (np.isnan(left) & np.isnan(right)))


def everywhere(left: Array, right: Array, tolerance: Array) -> bool:
    """Whether two arrays agree at all places; most that do not are found out in their middle."""
    return all(agree(left[part], right[part], tolerance[part]).all() for part in looks(left.shape))


def looks(shape: tuple[int, ...]) -> tuple[tuple[slice, ...], ...]:
    """The middle of an array, and then all of it: most ideas are wrong, and need no more than the first look."""
    middle = tuple(slice(extent // 2, extent // 2 + MIDDLE) for extent in shape)
    return middle, tuple(slice(None) for _ in shape)


def largest(array: Array) -> float:
    """The largest magnitude of all that is finite."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))


def scattered(size: int, most: int = SAMPLE) -> Array:
    """Up to ``most`` places of ``size``, in no step that a pattern of the array could keep in with."""
    if size <= most:
        return np.arange(size)
    return (np.arange(most, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(size)).astype(np.int64)


def others(ndim: int, axis: int) -> tuple[int, ...]:
    """All axes but this one."""
    return tuple(each for each in range(ndim) if each != axis)


def slices(axis: int, which: str = "") -> str:
    """What an axis is made of, in words: ``channels``, ``channels 0 and 2``, ``slices 0 and 2 of axis 3``."""
    if axis == CHANNEL_AXIS:
        return f"channels {which}".rstrip()
    return f"slices {which} of axis {axis}".replace("  ", " ")


def listed(parts: list[str]) -> str:
    """Words in a row: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
