"""The dtypes by name, bfloat16 among them, which NumPy has not got."""

from __future__ import annotations

import numpy as np
import pytest

from harness import dtypes
from harness.compare import max_ulp
from harness.tolerance import SIGNIFICAND


def test_every_dtype_has_its_name() -> None:
    assert {dtypes.dtype(name).name for name in dtypes.NAMES} == set(dtypes.NAMES) == set(SIGNIFICAND)
    assert [dtypes.dtype(name).itemsize for name in dtypes.NAMES] == [2, 2, 4, 8]
    with pytest.raises(TypeError):
        dtypes.dtype("float12")


@pytest.mark.parametrize(
    ("name", "is_real"), [*((name, True) for name in dtypes.NAMES), ("int64", False), ("bool", False)]
)
def test_real_numbers_are_told_from_others(name: str, is_real: bool) -> None:
    assert dtypes.floating(np.zeros(2, dtypes.dtype(name))) is is_real


@pytest.mark.parametrize("name", dtypes.NAMES)
def test_the_extremes_are_the_last_before_zero_and_infinity(name: str) -> None:
    kind = dtypes.dtype(name)
    least, most = (np.array([value], kind) for value in (dtypes.smallest_subnormal(name), dtypes.largest(name)))
    assert max_ulp(least, np.zeros(1, kind)) == 1
    assert max_ulp(most, np.array([np.inf], kind)) == 1
    assert float(least[0]) == dtypes.smallest_subnormal(name)
    assert float(most[0]) == dtypes.largest(name)
