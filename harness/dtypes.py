"""The dtypes that tensors have here, as NumPy's. Python 3.9's syntax: adapters import it."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

# Those that trials run at.
NAMES = ("bfloat16", "float16", "float32", "float64")
# NumPy has no bfloat16 of its own.
_OTHERS = {"bfloat16": ml_dtypes.bfloat16}


def dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of this name. Raises ``TypeError`` for a name that is none."""
    return np.dtype(_OTHERS.get(name, name))


def floating(array: np.ndarray[Any, Any]) -> bool:
    """Whether the array holds real numbers; NumPy counts bfloat16 to no kind of its own."""
    return array.dtype.kind == "f" or array.dtype.name in _OTHERS


def smallest_subnormal(name: str) -> float:
    """The smallest positive number of the dtype."""
    return float(ml_dtypes.finfo(dtype(name)).smallest_subnormal)  # type: ignore[no-untyped-call]


def largest(name: str) -> float:
    """The largest finite number of the dtype."""
    return float(ml_dtypes.finfo(dtype(name)).max)  # type: ignore[no-untyped-call]
