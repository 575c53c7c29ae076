"""How far two results may be apart: the unit roundoff, the exact lane's limit, the rounding lane's bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
# Bits of the significand that are read of a factor of float32 products in TF32, the hidden one included; HF32 reads one
# more. The rest is rounded off or cut off. With so many terms the bound is as large as an ordinary one.
SHORT = 11
LONGEST_SHORT = 512


def unit_roundoff(dtype: str) -> float:
    """Largest relative error of one rounding to nearest: 2**-bits."""
    return float(2.0 ** -SIGNIFICAND[dtype])


def shortened(provenance: Mapping[str, Any]) -> bool:
    """Whether a side may shorten the factors of its float32 products to TF32 or HF32, by what it says of itself.

    A flag of ``None`` means that the device has no such thing; one that could not be read back counts as on.
    """
    return any(provenance.get(name) not in (None, False) for name in ("tf32", "hf32"))


def exact_limit(dtype: str, short: bool = False) -> int:
    """Every integer sum whose terms' magnitudes add up to no more than this is exact in any order.

    Where float32 factors are shortened, it is what such a factor holds exactly: a sum may be the next step's factor.
    """
    return int(2 ** (SHORT if _shorter(dtype, short) else SIGNIFICAND[dtype]))


def telling(dtype: str, terms: Array, short: bool = False) -> bool:
    """Whether a bound on sums of so many terms can be missed by what is wrong; ``terms`` as below."""
    return count(terms) <= (LONGEST_SHORT if _shorter(dtype, short) else LONGEST.get(dtype, np.inf))


def _shorter(dtype: str, short: bool) -> bool:
    return short and dtype == "float32"


def count(terms: Array) -> int:
    """The largest number of terms; beyond all limits where it is no number, as for a layer that is infinite at ones."""
    largest = float(terms.max(initial=0))
    return int(largest) if np.isfinite(largest) else 2**62


def accumulation_bound(dtype: str, terms: Array, magnitude: Array, short: bool = False) -> Array:
    """Largest error of a sum of products computed in this dtype, in any order of summation, fused or not.

    gamma_m * sum |w||x|, with gamma_m = m*u / (1 - m*u) and m = n + 1: n roundings on the longest path of products
    and sums, one of the stored result. (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 3.1, 3.4.)
    In 16 bits that soon allows for anything. There gamma_m is exp(LIKELY*sqrt(m)*u + m*u*u / (1 - u)) - 1 if that is
    less, which no sum of independent roundings of zero mean exceeds but one in 3e7 / m. (Higham and Mary, A New
    Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), 2019, theorem 2.4.)

    Accelerators sum up 16 bits in float32 and round once, to the dtype. That stays within the same bound: it is one
    rounding of 2**-bits and n of 2**-23, where the bound has n + 1 of 2**-bits. (Blanchard, Higham, Lopez, Mary and
    Pranesh, Mixed Precision Block Fused Multiply-Add, SIAM J. Sci. Comput. 42(3), 2020. That tensor cores cut off where
    they add, so that 2u stands for u: Fasi, Higham, Mikaitis and Pranesh, Numerical behavior of NVIDIA tensor cores,
    PeerJ Comput. Sci. 7:e330, 2021.)

    Shortened float32 factors are off by 2v each, v = 2**-11 being TF32's unit roundoff, since what is beyond its 10
    explicit bits may be cut off; their products are summed up in float32, which may cut off as well:
    ((1 + 2v)**2 * (1 + gamma_m(2u)) - 1) * sum |w||x|, as in the first of these papers for matrices that are rounded
    first. (10 bits: pytorch.org, Numerical accuracy, TensorFloat-32; HF32 has 11: hiascend.com, ATC, --allow_hf32.)

    Args:
        dtype: the dtype that both sides compute and store in.
        terms: n, the number of terms that reach each element; the same layer applied to ones.
        magnitude: the same layer applied to absolute values; float64.
        short: whether the factors of float32 products may be shortened, as :func:`shortened` tells.

    Returns:
        float64, the shape of the output; zero where nothing is summed, infinite where m*u reaches one in more than
        16 bits.
    """
    cut = _shorter(dtype, short)
    roundings = np.where(terms > 0, terms.astype(np.float64) + 1.0, 0.0) * unit_roundoff(dtype) * (2.0 if cut else 1.0)
    gamma = np.divide(roundings, 1.0 - roundings, out=np.full(roundings.shape, np.inf), where=roundings < 1.0)
    if SIGNIFICAND[dtype] in HALF:
        unit = unit_roundoff(dtype)
        likely = LIKELY * np.sqrt(roundings * unit) + roundings * unit / (1.0 - unit)
        gamma = np.minimum(gamma, np.expm1(likely))
    if cut:
        read = (1.0 + 2.0 * 2.0**-SHORT) ** 2
        gamma = read * (1.0 + gamma) - 1.0
    # Each product below the normal range loses up to half of the smallest subnormal besides; sums there are exact.
    floor = smallest_subnormal(dtype) * terms
    return np.asarray(np.where(terms > 0, gamma * magnitude + floor, 0.0))


def table_bound(row: Tolerance, truth: Array) -> Array:
    """atol + rtol * |truth|, for layers that no bound can be derived for; float64, truth's shape."""
    return np.asarray(row.atol + row.rtol * np.abs(truth.astype(np.float64)))
