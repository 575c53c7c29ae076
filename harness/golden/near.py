"""Sums that are rounded differ from their true values by a few units in the last place: only these are kept.

The true values are the adjudicator's for the same request in float64, which is asked for them again when the golden is
played back. Another machine may add in another order, and come to another float64. It comes to the same number in 32 or
16 bits unless the value lies next to the middle between two of these; elements where it does are kept as they are, and
so are those that are far away. A hash of the whole says whether every bit came back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.dtypes import dtype, floating, name_of
from harness.golden.arrays import narrowed, restored
from harness.model import Array
from harness.protocol import Backend, Request

# Relative; what float64 loses in a sum is far below it, and one unit of float32 far above.
UNSURE = 2.0**-36
FAR = 127
ELSEWHERE = -128
MOST_ELSEWHERE = 4  # where one element in so many is kept as it is, all are
NARROW = 4  # bytes of the widest number that float64 can tell the rounding of


@dataclass(frozen=True)
class Near:
    """An array next to true values: for each element how many numbers of its dtype lie between, or that it is far.

    Attributes:
        steps: int8, of one axis; ``ELSEWHERE`` marks what is kept as it is.
        far: what is kept as it is, narrowed.
    """

    steps: Array
    far: Array


def true_values(request: Request, adjudicator: Backend) -> dict[str, Array]:
    """What the adjudicator gives for the request in float64, in the side's own names; nothing where it cannot."""
    if request.want != "output" or request.state is None or not all(map(floating, request.inputs)):
        return {}
    seen = adjudicator.observe(
        replace(
            request,
            inputs=tuple(map(_wide, request.inputs)),
            state={name: _wide(each) for name, each in request.state.items()},
            cotangent=None if request.cotangent is None else _wide(request.cotangent),
            tangents=tuple(map(_wide, request.tangents)),
            load="",
            seed=None,
        )
    )
    return {name: each for name, each in seen.outputs.items() if each.dtype == np.float64}


def near(array: Array, truth: Array) -> Near | None:
    """The array next to these true values; ``None`` where that does not save anything."""
    if not floating(array) or array.dtype.itemsize > NARROW or array.shape != truth.shape or not array.size:
        return None
    flat = np.ascontiguousarray(array).reshape(-1)
    base, sure = _rounded(truth.reshape(-1), name_of(array))
    distance = _ordered(flat) - _ordered(base)
    close = sure & (np.abs(distance) <= FAR)
    if (size := flat.size) - close.sum() > size // MOST_ELSEWHERE:
        return None
    steps = np.where(close, distance, ELSEWHERE).astype(np.int8)
    return Near(steps, narrowed(flat[~close]))


def away(found: Near, truth: Array, name: str) -> Array:
    """The inverse of :func:`near`: of this dtype, and the shape of the true values."""
    base, _ = _rounded(truth.reshape(-1), name)
    bits = _ordered(base) + found.steps
    flat = _from_ordered(bits, name)
    flat[found.steps == ELSEWHERE] = restored(found.far, name, found.far.shape)
    return flat.reshape(truth.shape)


def _wide(array: Array) -> Array:
    return array.astype(np.float64)


def _rounded(truth: Array, name: str) -> tuple[Array, Array]:
    """The true values in this dtype, a zero without its sign; and where that is the same whatever float64 lost."""
    of = dtype(name)
    with np.errstate(all="ignore"):
        below, base, above = ((truth * each + 0.0).astype(of) for each in (1 - UNSURE, 1.0, 1 + UNSURE))
        finite = np.isfinite(base.astype(np.float64))
    return base, np.asarray(finite & (_ordered(below) == _ordered(above)))


def _ordered(flat: Array) -> Array:
    """The numbers' places in their order, which tells every two bit patterns apart; int64."""
    width = 8 * flat.dtype.itemsize
    bits = flat.view(f"u{flat.dtype.itemsize}").astype(np.int64)
    return np.where(bits >> (width - 1), (1 << (width - 1)) - 1 - bits, bits)


def _from_ordered(places: Array, name: str) -> Array:
    of = dtype(name)
    width = 8 * of.itemsize
    bits = np.where(places < 0, (1 << (width - 1)) - 1 - places, places)
    return bits.astype(f"u{of.itemsize}").view(of)
