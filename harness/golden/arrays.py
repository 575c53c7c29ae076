"""Arrays in few bytes, without the loss of a bit.

An array whose values are small whole numbers, as most are in the exact lane, is kept as the smallest integers that
give every bit back; any other one as it is. Arrays of one kind lie one after the other, first all their first bytes,
then all their second ones and so on, which compresses better, and are compressed by LZMA. ``near.py`` comes before.
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.dtypes import dtype, is_bfloat16
from harness.model import Array

WHOLE = (np.int8, np.int16, np.int32)
BITS = "uint16"  # how bfloat16 is kept, of which NumPy knows nothing


def narrowed(array: Array) -> Array:
    """The array as it is kept: of one axis, of the smallest dtype that gives every bit back."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.kind in "fiu" or is_bfloat16(flat):
        for whole in WHOLE:
            if np.dtype(whole).itemsize < flat.dtype.itemsize and _kept(flat, whole):
                return flat.astype(whole)
    return flat.view(BITS) if is_bfloat16(flat) else flat


def restored(kept: Array, name: str, shape: Sequence[int]) -> Array:
    """The inverse of :func:`narrowed`: of this dtype and shape, and writable."""
    of = dtype(name)
    if name == "bfloat16" and kept.dtype == BITS:
        return kept.copy().view(of).reshape(tuple(shape))
    return np.array(kept.astype(of)).reshape(tuple(shape))


def _kept(flat: Array, whole: type[np.signedinteger[Any]]) -> bool:
    """Whether no bit is lost on these integers: none of a fraction, of a zero's sign, of NaN or infinity."""
    with np.errstate(invalid="ignore"):
        back = flat.astype(whole)
    return back.astype(flat.dtype).tobytes() == flat.tobytes()


def squeezed(arrays: Sequence[Array]) -> bytes:
    """Arrays of one dtype and one axis, one after the other, compressed."""
    joined = np.concatenate(arrays)
    planes = joined.view(np.uint8).reshape(joined.size, joined.itemsize).T
    return lzma.compress(planes.tobytes(), check=lzma.CHECK_NONE)


def expanded(data: bytes, kept_as: str) -> Array:
    """The inverse of :func:`squeezed`: all of them as one array."""
    of = np.dtype(kept_as)
    planes = np.frombuffer(lzma.decompress(data), np.uint8).reshape(of.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(of).reshape(-1)
