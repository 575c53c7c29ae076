"""What a difference looks like, read off the two arrays alone, never off the parameters that led to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.model import Array

# Batch and channels do not shift or grow; the axes after them do.
FIRST_SPATIAL_AXIS = 2
LONGEST_SHIFT = 3
WIDEST_BORDER = 3


@dataclass(frozen=True)
class Diagnosis:
    """A stable word for grouping, and one sentence for a person."""

    kind: str
    says: str


def diagnose(actual: Array, expected: Array) -> Diagnosis:
    """Describe how actual differs from expected.

    Kinds, in the order in which they are tried: ``rank``, ``cropped``, ``extended``, ``resized``, ``zeros``,
    ``shifted``, ``flipped``, ``offset``, ``border``, ``other``. Shapes may differ. NaN equals NaN at the same place.
    """
    if actual.ndim != expected.ndim:
        return Diagnosis("rank", f"the subject has {actual.ndim} axes, the reference {expected.ndim}")
    if actual.shape != expected.shape:
        return _resized(actual, expected)
    return (
        _zeros(actual, expected)
        or _shifted(actual, expected)
        or _flipped(actual, expected)
        or _offset(actual, expected)
        or _border(actual, expected)
        or _share(actual, expected)
    )


def _resized(actual: Array, expected: Array) -> Diagnosis:
    pairs = list(zip(actual.shape, expected.shape, strict=True))
    changes = [f"axis {axis} by {a - e:+d}" for axis, (a, e) in enumerate(pairs) if a != e]
    overlap = tuple(slice(0, min(pair)) for pair in pairs)
    same = _same(actual[overlap], expected[overlap])
    longer, shorter = any(a > e for a, e in pairs), any(a < e for a, e in pairs)
    if same and not (longer and shorter):
        kind, verb = ("extended", "goes on after") if longer else ("cropped", "stops before")
        beyond = _beyond(actual, expected) if longer else ""
        return Diagnosis(kind, f"the subject's output {verb} the reference's end: {', '.join(changes)}{beyond}")
    return Diagnosis("resized", f"the subject's output is of another size: {', '.join(changes)}")


def _beyond(actual: Array, expected: Array) -> str:
    extra = np.ones(actual.shape, bool)
    extra[tuple(slice(0, extent) for extent in expected.shape)] = False
    return "" if np.any(actual[extra]) else ", with zeros"


def _zeros(actual: Array, expected: Array) -> Diagnosis | None:
    if np.any(actual) or not np.any(expected):
        return None
    return Diagnosis("zeros", "the subject's output is all zeros")


def _shifted(actual: Array, expected: Array) -> Diagnosis | None:
    spatial = list(range(FIRST_SPATIAL_AXIS, actual.ndim))
    reach = range(-LONGEST_SHIFT, LONGEST_SHIFT + 1)
    for shift in sorted(itertools.product(reach, repeat=len(spatial)), key=lambda each: sum(map(abs, each))):
        if any(shift) and _agrees_shifted(actual, expected, dict(zip(spatial, shift, strict=True))):
            where = ", ".join(f"{by:+d} along axis {axis}" for axis, by in zip(spatial, shift, strict=True) if by)
            return Diagnosis("shifted", f"the subject's output is the reference's shifted by {where}")
    return None


def _agrees_shifted(actual: Array, expected: Array, shift: dict[int, int]) -> bool:
    if any(abs(by) * 2 > actual.shape[axis] for axis, by in shift.items()):
        return False  # less than half would overlap: no evidence of a shift
    here, there = [slice(None)] * actual.ndim, [slice(None)] * actual.ndim
    for axis, by in shift.items():
        here[axis] = slice(max(by, 0), actual.shape[axis] + min(by, 0))
        there[axis] = slice(max(-by, 0), actual.shape[axis] - max(by, 0))
    kept = expected[tuple(there)]
    return bool(np.any(kept)) and _same(actual[tuple(here)], kept)


def _flipped(actual: Array, expected: Array) -> Diagnosis | None:
    for axis in range(FIRST_SPATIAL_AXIS, actual.ndim):
        if _same(actual, np.flip(expected, axis)):
            return Diagnosis("flipped", f"the subject's output is the reference's flipped along axis {axis}")
    return None


def _offset(actual: Array, expected: Array) -> Diagnosis | None:
    # One addend per channel, and none of them zero everywhere: what a missing or doubled bias looks like.
    if actual.ndim <= FIRST_SPATIAL_AXIS or actual.size <= actual.shape[1]:
        return None  # with a single element a channel, any difference is constant in it
    with np.errstate(invalid="ignore"):
        difference = actual.astype(np.float64) - expected.astype(np.float64)
    per_channel = difference.max(axis=(0, *range(FIRST_SPATIAL_AXIS, actual.ndim)), keepdims=True)
    if np.any(per_channel) and np.array_equal(difference, np.broadcast_to(per_channel, difference.shape)):
        return Diagnosis("offset", "the subject's output differs by one constant in each channel")
    return None


def _border(actual: Array, expected: Array) -> Diagnosis | None:
    different = _different(actual, expected)
    if not different.any():
        return None
    spatial = range(FIRST_SPATIAL_AXIS, actual.ndim)
    for width in range(1, WIDEST_BORDER + 1):
        slabs = {
            f"{name} of axis {axis}": (axis, part)
            for axis in spatial
            for name, part in (("start", slice(0, width)), ("end", slice(-width, None)))
            if actual.shape[axis] > 2 * width
        }
        if not slabs or _outside_of(different, slabs.values()).any():
            continue
        # A side is named if the others do not account for what differs.
        needed = [
            name
            for name, slab in slabs.items()
            if _outside_of(different, [each for each in slabs.values() if each != slab]).any()
        ]
        where = ", ".join(needed) or "corners"
        return Diagnosis("border", f"only the outermost {_elements(width)} differ: {where}")
    return None


def _outside_of(different: Array, slabs: Iterable[tuple[int, slice]]) -> Array:
    rest = different.copy()
    for axis, part in slabs:
        np.moveaxis(rest, axis, 0)[part] = False
    return rest


def _elements(width: int) -> str:
    return "elements" if width == 1 else f"{width} elements"


def _share(actual: Array, expected: Array) -> Diagnosis:
    different = int(_different(actual, expected).sum())
    return Diagnosis("other", f"{different} of {actual.size} elements differ, in no pattern known to the harness")


def _same(left: Array, right: Array) -> bool:
    return np.array_equal(left, right, equal_nan=True)


def _different(left: Array, right: Array) -> Array:
    return np.asarray((left != right) & ~(np.isnan(left) & np.isnan(right)))
