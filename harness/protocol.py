"""What travels between the runner and a backend: NumPy in, NumPy out.

This file and the adapters stay within Python 3.9 syntax, because an adapter may run in an older interpreter
than the harness does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import numpy as np


class Phase(str, Enum):
    """Where in an observation a side failed."""

    CONSTRUCT = "construct"
    LOAD = "load"
    CALL = "call"
    FETCH = "fetch"


@dataclass(frozen=True)
class Step:
    """One call of a pipeline: a class that is constructed and then called, or a function of its first argument."""

    call: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        given = [literal(value) for value in self.args]
        given += [f"{name}={literal(value)}" for name, value in self.kwargs.items()]
        return f"{self.call}({', '.join(given)})"


def literal(value: Any) -> str:
    """The value as Python source, with double quotes, which a shell's single quotes take as they are."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return "(" + "".join(literal(item) + ", " for item in value).rstrip(" " if len(value) == 1 else ", ") + ")"
    return repr(value)


@dataclass(frozen=True)
class Request:
    """One pipeline to run.

    Attributes:
        steps: the calls in order; each receives the output of the one before.
        layer: index of the step that owns the state.
        inputs: positional inputs of the first step, in order.
        state: parameters in this side's own names and layouts. ``None`` leaves the freshly built ones in place.
    """

    steps: tuple[Step, ...]
    layer: int
    inputs: tuple[np.ndarray[Any, Any], ...]
    state: Mapping[str, np.ndarray[Any, Any]] | None


@dataclass(frozen=True)
class Failure:
    """Why a side gave no output.

    Attributes:
        unsupported: the backend says that it lacks this, or lacks it on this device.
        misfit: the harness's own check found that the weights do not fit the layer; the framework was not asked.
    """

    phase: Phase
    type: str
    message: str
    unsupported: bool = False
    misfit: bool = False


@dataclass(frozen=True)
class Observation:
    """What a side did: its output tensors by name, or its failure; and the seconds that it took."""

    outputs: Mapping[str, np.ndarray[Any, Any]]
    failure: Failure | None
    seconds: float


class Backend(Protocol):
    """The narrow door to a framework."""

    def provenance(self) -> Mapping[str, Any]:
        """Framework, version, device, threads and numerical flags, as JSON values."""

    def observe(self, request: Request) -> Observation:
        """Run the request. Errors of the framework come back as the observation's failure, never as exceptions."""
