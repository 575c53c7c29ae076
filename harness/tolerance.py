"""How far two results may be apart: the unit roundoff, the exact lane's limit, the rounding lane's bound."""

from __future__ import annotations

import numpy as np

from harness.dtypes import smallest_subnormal
from harness.model import Array, Tolerance

# Bits of the significand, the hidden one included: 2**bits is the first integer whose successor is lost.
SIGNIFICAND = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
# Those of the dtypes of 16 bits, and how many deviations a sum of roundings may be off in them.
HALF = (SIGNIFICAND["float16"], SIGNIFICAND["bfloat16"])
LIKELY = 6.0
# Sums of more terms than this say nothing in these dtypes: the bound, which grows as their number to the power of 3/2,
# is then larger than a single term, such as a bias that was dropped.
LONGEST = {"float16": 96, "bfloat16": 24}


def unit_roundoff(dtype: str) -> float:
    """Largest relative error of one rounding to nearest: 2**-bits."""
    return float(2.0 ** -SIGNIFICAND[dtype])


def exact_limit(dtype: str) -> int:
    """Every integer sum whose terms' magnitudes add up to no more than this is exact in any order."""
    return int(2 ** SIGNIFICAND[dtype])


def telling(dtype: str, terms: Array) -> bool:
    """Whether a bound on sums of so many terms can be missed by what is wrong; ``terms`` as below."""
    return int(terms.max(initial=0)) <= LONGEST.get(dtype, np.inf)


def accumulation_bound(dtype: str, terms: Array, magnitude: Array) -> Array:
    """Largest error of a sum of products computed in this dtype, in any order of summation, fused or not.

    gamma_m * sum |w||x|, with gamma_m = m*u / (1 - m*u) and m = n + 1: n roundings on the longest path of products
    and sums, one of the stored result. (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1, 3.4.)
    In 16 bits that soon allows for anything. There gamma_m is exp(LIKELY*sqrt(m)*u + m*u*u / (1 - u)) - 1 if that is
    less, which no sum of independent roundings of zero mean exceeds but one in 3e7 / m. (Higham and Mary, A New
    Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), 2019, theorem 2.4.)

    Args:
        dtype: the dtype that both sides compute and store in.
        terms: n, the number of terms that reach each element; the same layer applied to ones.
        magnitude: the same layer applied to absolute values; float64.

    Returns:
        float64, the shape of the output; zero where nothing is summed, infinite where m*u reaches one in more than
        16 bits.
    """
    roundings = np.where(terms > 0, terms.astype(np.float64) + 1.0, 0.0) * unit_roundoff(dtype)
    gamma = np.divide(roundings, 1.0 - roundings, out=np.full(roundings.shape, np.inf), where=roundings < 1.0)
    if SIGNIFICAND[dtype] in HALF:
        unit = unit_roundoff(dtype)
        likely = LIKELY * np.sqrt(roundings * unit) + roundings * unit / (1.0 - unit)
        gamma = np.minimum(gamma, np.expm1(likely))
    # Each product below the normal range loses up to half of the smallest subnormal besides; sums there are exact.
    floor = smallest_subnormal(dtype) * terms
    return np.asarray(np.where(terms > 0, gamma * magnitude + floor, 0.0))


def table_bound(row: Tolerance, truth: Array) -> Array:
    """atol + rtol * |truth|, for layers that no bound can be derived for; float64, truth's shape."""
    return np.asarray(row.atol + row.rtol * np.abs(truth.astype(np.float64)))
