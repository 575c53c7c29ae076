"""The dtypes that tensors have here, as NumPy's. Python 3.9's syntax: adapters import it."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import ml_dtypes
except ImportError:  # another interpreter that an adapter is sent to needs no more than its framework and NumPy
    ml_dtypes = None  # type: ignore[assignment]

# Those that trials run at.
NAMES = ("bfloat16", "float16", "float32", "float64")
# NumPy has no bfloat16 of its own; without a library that gives it one, only the bits are kept and passed on.
_BFLOAT16: Any = np.dtype(ml_dtypes.bfloat16 if ml_dtypes else [("bfloat16", "<u2")])


def dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of this name. Raises ``TypeError`` for a name that is none."""
    return _BFLOAT16 if name == "bfloat16" else np.dtype(name)


def name_of(array: np.ndarray[Any, Any]) -> str:
    """The name of the array's dtype, which :func:`dtype` takes."""
    return "bfloat16" if is_bfloat16(array) else array.dtype.name


def is_bfloat16(array: np.ndarray[Any, Any]) -> bool:
    """Whether the array holds bfloat16."""
    return bool(array.dtype == _BFLOAT16)


def widened(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A bfloat16 array as float32, which has the same exponents and more digits; no value changes."""
    return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def floating(array: np.ndarray[Any, Any]) -> bool:
    """Whether the array holds real numbers; NumPy counts bfloat16 to no kind of its own."""
    return array.dtype.kind == "f" or is_bfloat16(array)


def smallest_subnormal(name: str) -> float:
    """The smallest positive number of the dtype."""
    return float(ml_dtypes.finfo(dtype(name)).smallest_subnormal)  # type: ignore[no-untyped-call]


def largest(name: str) -> float:
    """The largest finite number of the dtype."""
    return float(ml_dtypes.finfo(dtype(name)).max)  # type: ignore[no-untyped-call]
