"""What travels between two interpreters: the protocol's records as plain values. Python 3.9's syntax: it is sent over.

execnet carries numbers, texts, bytes, tuples, lists and dicts. All else is a dict with its kind under ``"~"``; arrays
are their raw bytes with dtype and shape, so that no value changes on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, Dict

import numpy as np

from harness.dtypes import dtype, is_bfloat16, name_of
from harness.protocol import Argument, Failure, Observation, Phase, Request, Step

KIND = "~"
_RECORDS = {each.__name__: each for each in (Argument, Failure, Observation, Request, Step)}


def pack(value: Any) -> Any:
    """The value in what execnet carries. Raises ``TypeError`` for a kind that is none of the protocol's."""
    if isinstance(value, (tuple, list)):
        return type(value)(pack(each) for each in value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str) and not isinstance(value, Enum):
        return str(value)  # execnet takes no subclass of it, which versions often are
    plain = value is None or isinstance(value, (bool, int, float, complex, bytes))
    return value if plain else {KIND: _kind(value), **_parts(value)}


def _kind(value: Any) -> str:
    name = type(value).__name__
    if isinstance(value, np.ndarray):
        return "array"
    if isinstance(value, Mapping):
        return "mapping"
    if name in _RECORDS or isinstance(value, Phase):
        return name
    raise TypeError(f"{name} is none of the kinds that travel")


def _parts(value: Any) -> Dict[str, Any]:
    if isinstance(value, np.ndarray):
        bits = value.view(np.uint16) if is_bfloat16(value) else value
        return {"dtype": name_of(value), "shape": list(value.shape), "bytes": bits.tobytes()}
    if isinstance(value, Mapping):
        return {"items": [(pack(name), pack(each)) for name, each in value.items()]}
    if isinstance(value, Phase):
        return {"value": value.value}
    return {each.name: pack(getattr(value, each.name)) for each in fields(value)}


def unpack(value: Any) -> Any:
    """The inverse of :func:`pack`; arrays are copies, and can be written to."""
    if isinstance(value, (tuple, list)):
        return type(value)(unpack(each) for each in value)
    if not isinstance(value, dict):
        return value
    kind = value[KIND]
    if kind == "Phase":
        return Phase(value["value"])
    if kind == "mapping":
        return {unpack(name): unpack(each) for name, each in value["items"]}
    if kind == "array":
        plain = np.uint16 if value["dtype"] == "bfloat16" else np.dtype(value["dtype"])
        array = np.frombuffer(value["bytes"], plain).reshape(value["shape"]).copy()
        return array.view(dtype("bfloat16")) if value["dtype"] == "bfloat16" else array
    return _RECORDS[kind](**{name: unpack(each) for name, each in value.items() if name != KIND})
