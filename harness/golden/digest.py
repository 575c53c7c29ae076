"""Which question is which: a hash of all that a request says, so that no other one is ever answered in its place."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from harness.dtypes import name_of
from harness.model import Array
from harness.protocol import Request

# Hexadecimal digits: 128 bits, so that chance plays no part.
LENGTH = 32


def of_request(request: Request, mode: str) -> str:
    """A hash of the request and of the mode that it is put in: every step, name, dtype, shape and byte counts."""
    parts = {name: [_array(each) for each in arrays] for name, arrays in _positional(request).items()}
    state = None if request.state is None else {name: _array(each) for name, each in request.state.items()}
    rest = [request.load, request.seed, request.want]
    return _hash(["observe", mode, _steps(request), request.layer, parts, state, *rest])


def of_signature(call: str, of: str) -> str:
    """A hash of the question for a call's parameters."""
    return _hash(["signature", call, of])


def of_call(request: Request) -> str:
    """A hash of the request but for its numbers: alike for those that only differ in these."""
    given = [[name_of(each), list(each.shape)] for each in request.inputs]
    return _hash(["call", _steps(request), request.layer, given, request.load, request.want])


def _steps(request: Request) -> list[str]:
    return [str(step) for step in request.steps]


def _positional(request: Request) -> dict[str, tuple[Array, ...]]:
    cotangent = () if request.cotangent is None else (request.cotangent,)
    return {"inputs": request.inputs, "cotangent": cotangent, "tangents": request.tangents}


def _array(array: Array) -> list[Any]:
    return [name_of(array), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:LENGTH]
