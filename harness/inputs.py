"""Inputs and weights from a counter-based generator keyed by case id, tensor name and lane.

The raw Philox words and our own mapping of them are stable across NumPy releases and platforms, which the
distributions of any framework's generator are not.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from harness.model import Array, Lane

# One word in this many becomes a zero, so that sparsity is met but cannot hide a dropped term.
ZERO_SHARE = 16


def _words(key: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    digest = hashlib.sha256(key.encode()).digest()
    philox = np.random.Philox(key=np.frombuffer(digest[:16], np.uint64))
    words: np.ndarray[tuple[int], np.dtype[np.uint64]] = np.atleast_1d(philox.random_raw(count))
    return words


def integers(key: str, shape: Sequence[int], largest: int, one_in: int = 1) -> Array:
    """Integers in [-largest, largest], about one in sixteen zero, or all but one in so many; int64, of this shape."""
    words = _words(key, math.prod(shape))
    magnitude = (words >> np.uint64(8)) % np.uint64(largest) + np.uint64(1)
    signed = np.where(words & np.uint64(1), -1, 1) * magnitude.astype(np.int64)
    # A single element that is zero would prove nothing.
    kept = np.where(((words >> np.uint64(1)) % np.uint64(ZERO_SHARE) == 0) & (len(words) > 1), 0, signed)
    kept = kept if one_in == 1 else np.where((words >> np.uint64(40)) % np.uint64(one_in) == 0, kept, 0)
    return kept.reshape(tuple(shape))


def places(key: str, size: int, count: int) -> list[int]:
    """So many different places, or all there are: the first, the last, and others as drawn.

    The ends are always among them, because borders are where computations differ.
    """
    drawn = [int(place) for place in np.argsort(_words(key, size), kind="stable")]
    return list(dict.fromkeys([0, size - 1, *drawn]))[: min(count, size)]


def reals(key: str, shape: Sequence[int]) -> Array:
    """Reals in (-1, 1), never zero; float64, of this shape."""
    words = _words(key, math.prod(shape))
    # 52 bits and a half step off the grid: symmetric about zero and never on it.
    unit = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return (2.0 * unit - 1.0).reshape(tuple(shape))


def tensor_key(case: str, tensor: str, lane: Lane) -> str:
    """The key of one tensor of one case."""
    return f"{case}|{tensor}|{lane}"


def fingerprint(*arrays: Array) -> str:
    """A short hash of the arrays' dtypes, shapes and bytes, for the record."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def seeds(key: str, count: int) -> list[int]:
    """Seeds for the frameworks' own generators, in [1, 2**31); the first ones stay when more are asked for."""
    return [int(word % np.uint64(2**31 - 1)) + 1 for word in _words(key, count)]
