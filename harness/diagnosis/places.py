"""Differences that are where they are: all zero, not finite, at the border, or anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.diagnosis.evidence import Diagnosis
from harness.diagnosis.pair import FIRST_SPATIAL_AXIS, Pair, agree, listed
from harness.model import Array

WIDEST_BORDER = 3
NOT_A_NUMBER, POSITIVE, NEGATIVE = 1, 2, 3
NAMES = {0: "a finite value", NOT_A_NUMBER: "NaN", POSITIVE: "inf", NEGATIVE: "-inf"}

Side = tuple[int, str]  # an axis and ``start`` or ``end``


def agreed(pair: Pair) -> Diagnosis | None:
    """Nothing differs: what is wrong with one array is wrong with the other."""
    if not agree(pair.actual, pair.expected, 0).all():
        return None
    return Diagnosis("agreed", f"{pair.evidence.mine} is {pair.evidence.theirs}: if they are wrong, both are")


def zeros(pair: Pair) -> Diagnosis | None:
    """The subject's array holds nothing but zeros."""
    return None if np.any(pair.actual) else Diagnosis("zeros", f"{pair.evidence.mine} is all zero")


def nonfinite(pair: Pair) -> Diagnosis | None:
    """NaN or an infinity of one side only, or of the other sign."""
    mine, theirs = _classes(pair.actual), _classes(pair.expected)
    wrong = mine != theirs
    if not wrong.any():
        return None
    first = tuple(map(int, np.argwhere(wrong)[0]))
    pairs, counts = np.unique(np.stack([mine[wrong], theirs[wrong]]), axis=1, return_counts=True)
    found = [
        f"{NAMES[int(m)]} in {count} of {wrong.size} elements where {pair.evidence.theirs} has {NAMES[int(t)]}"
        for (m, t), count in zip(pairs.T, counts, strict=True)
    ]
    where = _Border.of(wrong)
    place = where.words if where and where.convinces(pair, int(wrong.sum())) else f"the first at {first}"
    beside = int((pair.different & ~wrong).sum())
    rest = f"; {beside} others differ too" if beside else "; all others agree"
    return Diagnosis("nonfinite", f"{pair.evidence.mine} has {listed(found)}, {place}{rest}")


def _classes(array: Array) -> Array:
    named = np.isnan(array) * NOT_A_NUMBER + (array == np.inf) * POSITIVE + (array == -np.inf) * NEGATIVE
    return np.asarray(named)


def border(pair: Pair) -> Diagnosis | None:
    """Kinds ``border_zero``, ``border_bias`` and ``border``: nothing differs but the outermost elements."""
    found = _Border.of(pair.different)
    if found is None:
        return None
    only = f"{pair.evidence.mine} differs from {pair.evidence.theirs} only {found.words}"
    count = int(pair.different.sum())
    actual, expected = pair.actual[..., found.region], pair.expected[..., found.region]
    if not np.any(actual) and found.convinces(pair, count, pair.chance):
        return Diagnosis("border_zero", f"{only}, where it is zero")
    if _is_bias(pair, found.region) and found.convinces(pair, count, pair.chance):
        return Diagnosis("border_bias", f"{only}, where it is the bias alone")
    if not found.convinces(pair, count):
        return None
    return Diagnosis("border", f"{only}{'' if np.any(expected) else f', where {pair.evidence.theirs} is zero'}")


def _is_bias(pair: Pair, region: Array) -> bool:
    if pair.bias is None or pair.bias.ndim != pair.actual.ndim or pair.bias.shape[1] != pair.actual.shape[1]:
        return False
    bias = np.broadcast_to(pair.bias, pair.actual.shape)[..., region]
    rounding = pair.eps * np.abs(bias) if np.any(pair.bound) else 0.0
    return bool(agree(pair.actual[..., region], bias, 2 * pair.bound[..., region] + rounding).all())


@dataclass(frozen=True)
class _Border:
    """The outermost elements that hold everything marked, as few as can be.

    Attributes:
        widths: of each side that has any.
        region: over the axes after the channels, which elements these are.
        corner: whether they are only those that two sides share.
    """

    widths: dict[Side, int]
    region: Array
    corner: bool

    @staticmethod
    def of(marked: Array) -> _Border | None:
        """The border that holds all that is marked; ``None`` if something in the interior is marked."""
        if marked.ndim <= FIRST_SPATIAL_AXIS or not marked.any():
            return None
        folded = marked.any(axis=(0, 1))
        sides = [(axis, name) for axis in range(folded.ndim) for name in ("start", "end")]
        widest = {side: min(WIDEST_BORDER, (folded.shape[side[0]] - 1) // 2) for side in sides}
        if folded[_interior(folded, widest)].any():
            return None
        # Each side is made as narrow as the others allow. If it matters who comes first, they share a corner.
        one, other = _narrowed(folded, widest, sides), _narrowed(folded, widest, sides[::-1])
        region = _ring(folded, one) & _ring(folded, other)
        widths = {side: max(one[side], other[side]) for side in sides if one[side] or other[side]}
        return _Border(widths, region, one != other)

    def convinces(self, pair: Pair, count: int, chance: float = 1.0) -> bool:
        """Whether so many marked elements would hardly all lie here if they were strewn at random.

        Args:
            pair: what they are elements of.
            count: how many they are.
            chance: how likely one of them is to hold by chance what it holds.
        """
        tried = (WIDEST_BORDER + 1) ** (2 * self.region.ndim)
        # Where both arrays are zero in every channel, nothing could have been seen to differ.
        live = ((pair.actual != 0) | (pair.expected != 0)).any(axis=(0, 1))
        inside = int(live[self.region].sum())
        return inside < live.sum() and pair.convinces(count, tried, inside / int(live.sum()) * chance)

    @property
    def words(self) -> str:
        """Where these elements are."""
        parts = [
            f"the {name} of axis {axis + FIRST_SPATIAL_AXIS}" + (f" ({width} wide)" if width > 1 else "")
            for (axis, name), width in self.widths.items()
        ]
        return f"in corners of {listed(parts)}" if self.corner else f"at {listed(parts)}"


def _interior(folded: Array, widths: dict[Side, int]) -> tuple[slice, ...]:
    return tuple(slice(widths[axis, "start"], extent - widths[axis, "end"]) for axis, extent in enumerate(folded.shape))


def _ring(folded: Array, widths: dict[Side, int]) -> Array:
    ring = np.ones(folded.shape, bool)
    ring[_interior(folded, widths)] = False
    return ring


def _narrowed(folded: Array, widest: dict[Side, int], sides: list[Side]) -> dict[Side, int]:
    widths = dict(widest)
    for side in sides:
        while widths[side] and not folded[_interior(folded, {**widths, side: widths[side] - 1})].any():
            widths[side] -= 1
    return widths


def other(pair: Pair) -> Diagnosis:
    """No pattern: how many elements differ, and by how much."""
    most = np.abs(pair.actual - pair.expected)[pair.different].max(initial=0)
    return Diagnosis(
        "other",
        f"{pair.evidence.mine} differs from {pair.evidence.theirs} in {int(pair.different.sum())} of "
        f"{pair.different.size} elements, by up to {float(most):.6g}, in no pattern known to the harness",
    )
