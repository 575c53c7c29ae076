"""Two arrays, actual against expected, and a graded verdict. Sees neither framework nor case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.dtypes import floating
from harness.model import Array, Comparison, Lane, Verdict
from harness.mutants import missed


@dataclass(frozen=True)
class Judge:
    """What a comparison is judged by.

    Attributes:
        lane: whose rules apply.
        bound: largest allowed distance of either side from the truth, per element, or one of no axes for all.
        truth: the adjudicator's result; ``None`` where there is none, and the sides are held against each other.
        unbiased: the adjudicator's result without the bias, for the planted mutants.
        within: the part of the array that anything but zero can stand in; mutants are planted there.
        mutual: whether the sides are held against each other, and the truth only says who is off.
    """

    lane: Lane
    bound: Array | None
    truth: Array | None
    unbiased: Array | None = None
    within: tuple[slice, ...] = ()
    mutual: bool = False

    def over(self, shape: tuple[int, ...]) -> Judge:
        """The judge whose one bound is that of each element of this shape; itself, where there is one per element."""
        single = self.bound is not None and not self.bound.shape
        return replace(self, bound=np.full(shape, self.bound)) if single else self

    def outside(self, array: Array, centre: Array) -> Array:
        """Where the array is further from the centre than the bound allows; non-finite values by place and sign."""
        difference = distance(array, centre)
        bound = self.bound if self.bound is not None and self.bound.shape in ((), difference.shape) else 0.0
        # A bound of a table is not a number where the truth is none.
        return np.asarray(~(((difference <= bound) | (difference == 0)) & np.isfinite(difference)))


def compare(actual: Array, expected: Array, tensor: str, judge: Judge) -> Comparison:
    """Grade actual against expected.

    Shapes and dtypes are compared before values and nothing is cast first. In both lanes each side is held against
    the adjudicator where there is one; in the exact lane the bound is zero. A mutual judge allows for both sides.

    Args:
        actual: the subject's array.
        expected: the reference's array.
        tensor: its name, for the record.
        judge: lane, bound and truth.
    """
    shapes: dict[str, Any] = {"expected_shape": expected.shape, "actual_shape": actual.shape}
    if actual.shape != expected.shape:
        return Comparison(tensor, judge.lane, Verdict.SHAPE, **shapes, disagrees=_other_shape(actual, expected, judge))
    if actual.dtype != expected.dtype:
        return Comparison(tensor, judge.lane, Verdict.DTYPE, **shapes)
    truth = judge.truth if judge.truth is not None and judge.truth.shape == actual.shape else None
    centre = expected if truth is None or judge.mutual else truth
    allowed = _for_both(judge) if judge.mutual else judge
    wrong = allowed.outside(actual, centre) | allowed.outside(expected, centre)
    unseen = _missed(expected, centre, allowed)
    return Comparison(
        tensor,
        judge.lane,
        _grade(actual, expected, bool(wrong.any()), unseen),
        **shapes,
        size=int(actual.size),
        mismatched=int(wrong.sum()),
        disagrees=_off(actual, expected, truth, judge) if wrong.any() else None,
        missed=unseen,
        **_measures(actual, expected, centre, allowed.bound),
    )


def _off(actual: Array, expected: Array, truth: Array | None, judge: Judge) -> str | None:
    """Which side is outside the bound around the truth; ``None`` where nobody knows the truth."""
    if truth is None:
        return None
    return _disagrees(bool(judge.outside(actual, truth).any()), bool(judge.outside(expected, truth).any()))


def _for_both(judge: Judge) -> Judge:
    """The judge of two results that may each be as far from the truth as the bound says, to either side."""
    if judge.truth is None or judge.bound is None:
        return judge
    return replace(judge, bound=2 * judge.bound)


def _missed(expected: Array, centre: Array, judge: Judge) -> tuple[str, ...]:
    def caught(mutant: Array) -> bool:
        whole = expected.copy()
        whole[judge.within] = mutant
        return bool(judge.outside(whole, centre).any())

    fits = judge.unbiased is not None and judge.unbiased.shape == expected.shape
    return missed(expected[judge.within], judge.unbiased[judge.within] if fits else None, caught)  # type: ignore[index]


def _grade(actual: Array, expected: Array, wrong: bool, unseen: tuple[str, ...]) -> Verdict:
    if wrong:
        return Verdict.VALUE
    if unseen:
        return Verdict.WEAK
    return Verdict.BITWISE if actual.tobytes() == expected.tobytes() else Verdict.WITHIN_BOUND


def _other_shape(actual: Array, expected: Array, judge: Judge) -> str | None:
    if judge.truth is None:
        return None
    return _disagrees(actual.shape != judge.truth.shape, expected.shape != judge.truth.shape)


def _disagrees(subject: bool, reference: bool) -> str | None:
    if subject and reference:
        return "both"
    return "subject" if subject else "reference" if reference else None


def _measures(actual: Array, expected: Array, centre: Array, bound: Array | None) -> dict[str, Any]:
    """Everything is measured on passes too, so that a run can be judged again without running it again."""
    if not actual.size:
        return {}
    difference = distance(actual, expected)
    error = np.maximum(distance(actual, centre), distance(expected, centre))
    limit = bound if bound is not None and bound.shape == error.shape else np.zeros_like(error)
    with np.errstate(over="ignore"):
        measurable = (limit > 0) & np.isfinite(error)
        ratio = np.divide(error, limit, out=np.where(error > 0, np.inf, 0.0), where=measurable)
    worst = int(np.argmax(ratio)) if np.isfinite(ratio).all() else int(np.argmax(error))
    return {
        "max_abs": float(difference.max()),
        "max_ulp": max_ulp(actual, expected),
        "worst_index": tuple(int(index) for index in np.unravel_index(worst, actual.shape)),
        "bound_ratio": float(ratio.max()),
        "cosine": _cosine(actual, expected),
    }


def distance(left: Array, right: Array) -> Array:
    """|left - right| in float64: zero for NaN at the same place and for equal infinities, else infinite there."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(a - b)
    same = (np.isnan(a) & np.isnan(b)) | (a == b)
    return np.asarray(np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference)))


def max_ulp(left: Array, right: Array) -> int | None:
    """Largest distance in units in the last place, counted over the ordered bit patterns; NaNs do not count."""
    if not floating(left):
        return None
    counted = ~(np.isnan(left) | np.isnan(right))
    a, b = _ordinals(left[counted]), _ordinals(right[counted])
    return int(np.where(a > b, a - b, b - a).max(initial=0))


def _ordinals(array: Array) -> Array:
    # Sign and magnitude to a line of unsigned integers, where a distance always fits.
    width = array.dtype.itemsize * 8
    bits = np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}").astype(np.uint64)
    middle = np.uint64(1 << (width - 1))
    magnitude = bits & (middle - np.uint64(1))
    return np.asarray(np.where(bits >= middle, middle - magnitude, middle + magnitude))


def _cosine(left: Array, right: Array) -> float | None:
    a, b = left.astype(np.float64).ravel(), right.astype(np.float64).ravel()
    norms = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(a @ b) / norms if norms and np.isfinite(norms) else None
