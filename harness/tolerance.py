"""How far two results may be apart: the unit roundoff, the exact lane's limit, the rounding lane's bound."""

from __future__ import annotations

import numpy as np

from harness.model import Array, Tolerance

# Bits of the significand, the hidden one included: 2**bits is the first integer whose successor is lost.
SIGNIFICAND = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def unit_roundoff(dtype: str) -> float:
    """Largest relative error of one rounding to nearest: 2**-bits."""
    return float(2.0 ** -SIGNIFICAND[dtype])


def exact_limit(dtype: str) -> int:
    """Every integer sum whose terms' magnitudes add up to no more than this is exact in any order."""
    return int(2 ** SIGNIFICAND[dtype])


def accumulation_bound(dtype: str, terms: Array, magnitude: Array) -> Array:
    """Largest error of a sum of products computed in this dtype, in any order of summation, fused or not.

    gamma_m * sum |w||x|, with gamma_m = m*u / (1 - m*u) and m = n + 1: n roundings on the longest path of products
    and sums, one of the stored result. (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1, 3.4.)

    Args:
        dtype: the dtype that both sides compute and store in.
        terms: n, the number of terms that reach each element; the same layer applied to ones.
        magnitude: the same layer applied to absolute values; float64.

    Returns:
        float64, the shape of the output; zero where nothing is summed, infinite where n*u reaches one.
    """
    roundings = np.where(terms > 0, terms.astype(np.float64) + 1.0, 0.0) * unit_roundoff(dtype)
    gamma = np.divide(roundings, 1.0 - roundings, out=np.full(roundings.shape, np.inf), where=roundings < 1.0)
    # Each product below the normal range loses up to half of the smallest subnormal besides; sums there are exact.
    floor = float(np.finfo(dtype).smallest_subnormal) * terms if dtype != "bfloat16" else 0.0
    return np.asarray(np.where(terms > 0, gamma * magnitude + floor, 0.0))


def table_bound(row: Tolerance, truth: Array) -> Array:
    """atol + rtol * |truth|, for layers that no bound can be derived for; float64, truth's shape."""
    return np.asarray(row.atol + row.rtol * np.abs(truth.astype(np.float64)))
