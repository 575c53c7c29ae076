"""Arrays of different shapes: another number of axes, a part of the other, or more than it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.diagnosis.evidence import Diagnosis, Evidence
from harness.diagnosis.moves import shifted
from harness.diagnosis.pair import FIRST_SPATIAL_AXIS, Pair, agree, everywhere, listed
from harness.model import Array

# Up to this difference of an axis, every place where the shorter one could lie in the longer one is tried.
EVERY_PLACE = 8


Shapes = Sequence[tuple[int, int]]


def rank(pair: Pair) -> Diagnosis | None:
    """Another number of axes; says so if the values are the same in the same order."""
    actual, expected = pair.actual, pair.expected
    if actual.ndim == expected.ndim:
        return None
    evidence = pair.evidence
    same = actual.size == expected.size and everywhere(
        actual.ravel(), expected.ravel(), np.asarray(2 * pair.bound).ravel()
    )
    tail = ", with the same values in the same order" if same and actual.size else ""
    return Diagnosis("rank", f"{evidence.mine} has {actual.ndim} axes, {evidence.theirs} {expected.ndim}{tail}")


def resized(pair: Pair) -> Diagnosis | None:
    """Other extents: a part of the reference's array, the whole with something added, or simply of another size.

    Where neither is in the other, ``resized`` says if one would be but for the bias, or if they overlap shifted.
    """
    if pair.alike:
        return None
    shapes = list(zip(pair.actual.shape, pair.expected.shape, strict=True))
    for starts in _starts(shapes):
        if _fits(pair, shapes, starts):
            return _overlapping(pair, shapes, starts)
    bare = _without_bias(pair)
    for starts in _starts(shapes) if bare else ():
        if bare and _fits(bare, shapes, starts):
            return Diagnosis("resized", f"{_overlapping(bare, shapes, starts).says}, and lacks the bias")
    changes = ", ".join(f"axis {axis} by {a - e:+d}" for axis, (a, e) in enumerate(shapes) if a != e)
    moved = shifted(_common(pair, shapes))
    if moved is not None:
        return Diagnosis("resized", f"{moved.says}, and of another size: {changes}")
    return Diagnosis("resized", f"{pair.evidence.mine} is of another size than {pair.evidence.theirs}: {changes}")


def _without_bias(pair: Pair) -> Pair | None:
    """The pair with the adjudicator's array without the bias for the reference's."""
    bare = pair.evidence.unbiased
    if bare is None or bare.shape != pair.expected.shape:
        return None
    return Pair(replace(pair.evidence, expected=bare))


def _common(pair: Pair, shapes: Shapes) -> Pair:
    """What both have, counted from the start of each axis."""
    both = tuple(slice(0, min(extents)) for extents in shapes)
    given = pair.evidence
    cut = (given.actual[both], given.expected[both], given.tensor, given.subject, given.reference)
    return Pair(Evidence(*cut, bound=pair.bound[both]))


def _starts(shapes: Shapes) -> list[tuple[int, ...]]:
    """How much is cut off or added at each axis' start; first the places where all of it is at the end."""
    choices = [
        range(abs(a - e) + 1) if abs(a - e) <= EVERY_PLACE else sorted({0, abs(a - e) // 2, abs(a - e)})
        for a, e in shapes
    ]
    return sorted(itertools.product(*choices), key=sum)


def _fits(pair: Pair, shapes: Shapes, starts: tuple[int, ...]) -> bool:
    here, there = _overlap(shapes, starts)
    actual, expected = pair.actual[here], pair.expected[there]
    tried = math.prod(abs(a - e) + 1 for a, e in shapes)
    return pair.convinces(actual.size, tried) and everywhere(actual, expected, 2 * pair.bound[there])


def _overlap(shapes: Shapes, starts: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The place of what both have, in the subject's and in the reference's array."""
    pairs = list(zip(shapes, starts, strict=True))
    here = tuple(slice(start if a > e else 0, (start if a > e else 0) + min(a, e)) for (a, e), start in pairs)
    there = tuple(slice(start if a < e else 0, (start if a < e else 0) + min(a, e)) for (a, e), start in pairs)
    return here, there


def _overlapping(pair: Pair, shapes: Shapes, starts: tuple[int, ...]) -> Diagnosis:
    missing = list(_amounts(shapes, starts, -1))
    more = list(_amounts(shapes, starts, +1))
    parts = [f"without {listed(missing)}"] if missing else []
    parts += [f"with {listed(more)}{_added(pair, _overlap(shapes, starts)[0])}"] if more else []
    kind = "resized" if missing and more else "cropped" if missing else "extended"
    return Diagnosis(kind, f"{pair.evidence.mine} is {pair.evidence.theirs} {', and '.join(parts)}")


def _amounts(shapes: Shapes, starts: tuple[int, ...], sign: int) -> Iterator[str]:
    for axis, ((a, e), start) in enumerate(zip(shapes, starts, strict=True)):
        if (a - e) * sign > 0:
            for amount, side in ((start, "start"), (abs(a - e) - start, "end")):
                if amount:
                    yield f"{amount}{' more' if sign > 0 else ''} at the {side} of axis {axis}"


def _added(pair: Pair, here: tuple[slice, ...]) -> str:
    extra = np.ones(pair.actual.shape, bool)
    extra[here] = False
    added = pair.actual[extra]
    if not np.any(added):
        return ", all zero"
    if _is_bias(pair, added, extra):
        return ", all of it the bias"
    return ""


def _is_bias(pair: Pair, added: Array, extra: Array) -> bool:
    bias = pair.bias
    if bias is None or pair.actual.ndim != bias.ndim or pair.actual.ndim <= FIRST_SPATIAL_AXIS:
        return False
    if bias.shape[1] != pair.actual.shape[1]:
        return False
    tolerance = 2 * float(pair.bound.max(initial=0))
    return bool(agree(added, np.broadcast_to(bias, pair.actual.shape)[extra], tolerance).all())
