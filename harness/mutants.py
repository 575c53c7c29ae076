"""Planted mutants: wrong versions of the expected array that a comparison must catch, or it proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from harness.model import Array

# Axes 0 and 1 are batch and channel in the layers compared so far; borders are on the axes after them.
CHANNEL_AXIS, FIRST_SPATIAL_AXIS = 1, 2


def mutants(expected: Array, unbiased: Array | None) -> Iterator[tuple[str, Array]]:
    """Name and array of each mutant of an expected output.

    Args:
        expected: the expected output.
        unbiased: the output without its bias, where there is one.

    Yields:
        shifted by one and flipped along each axis longer than one; the last slice of each spatial axis zeroed
        (where it is not all zero to begin with); the bias dropped; the halves of the channels swapped.
    """
    for axis, extent in enumerate(expected.shape):
        if extent > 1:
            yield f"shift-{axis}", np.roll(expected, 1, axis)
            yield f"flip-{axis}", np.flip(expected, axis)
    for axis in range(FIRST_SPATIAL_AXIS, expected.ndim):
        yield from _border(expected, axis)
    if unbiased is not None and unbiased.shape == expected.shape:
        yield "bias-dropped", unbiased
    if expected.ndim > CHANNEL_AXIS and expected.shape[CHANNEL_AXIS] > 1:
        yield "halves-swapped", np.roll(expected, expected.shape[CHANNEL_AXIS] // 2, CHANNEL_AXIS)


def _border(expected: Array, axis: int) -> Iterator[tuple[str, Array]]:
    mutant = expected.copy()
    border = np.moveaxis(mutant, axis, 0)[-1:]
    if border.size and np.any(border):
        border[...] = 0
        yield f"border-{axis}", mutant


def missed(expected: Array, unbiased: Array | None, caught: Callable[[Array], bool]) -> tuple[str, ...]:
    """Names of the mutants that the comparison would have let pass; all of them where there is none to catch."""
    if not expected.size:
        return ()  # all there is to an empty array is its shape, and that was compared
    planted: Mapping[str, Array] = dict(mutants(expected, unbiased))
    if not planted:
        return ("nothing-to-mutate",) if not np.any(expected) else _magnitude(expected, caught)
    return tuple(name for name, mutant in planted.items() if not caught(mutant))


def _magnitude(expected: Array, caught: Callable[[Array], bool]) -> tuple[str, ...]:
    # A single element has no place to be wrong in; its value can still be.
    return () if caught(np.zeros_like(expected)) else ("zeroed",)
