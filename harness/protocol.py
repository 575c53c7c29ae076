"""What travels between the runner and a backend: NumPy in, NumPy out.

This file and the adapters stay within Python 3.9 syntax, because an adapter may run in an older interpreter
than the harness does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Optional, Protocol

import numpy as np


class Phase(str, Enum):
    """Where in an observation a side failed."""

    CONSTRUCT = "construct"
    LOAD = "load"
    CALL = "call"
    FETCH = "fetch"
    BACKWARD = "backward"


@dataclass(frozen=True)
class Step:
    """One call of a pipeline: a class that is constructed and then called, or a function of its first argument.

    An argument may be a step itself: an object that is built, or a function that is called, where it stands.
    """

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
    if isinstance(value, Step):
        return str(value)
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
        load: one of the framework's own ways to take the state, which checks what it checks; empty for the harness's
            way, which checks names and shapes first.
        seed: what the framework's generator is set to before anything is built; ``None`` leaves it alone.
        want: ``output`` of the call, or the layer's ``state`` once it is built and loaded.
        cotangent: what the output is weighted by, if the derivatives of the weighted sum are asked for as well; of the
            output's shape, or else there are none.
        tangents: for each input what its derivative is weighted by, if the derivatives of that are asked for too.
    """

    steps: tuple[Step, ...]
    layer: int
    inputs: tuple[np.ndarray[Any, Any], ...]
    state: Mapping[str, np.ndarray[Any, Any]] | None
    load: str = ""
    seed: int | None = None
    want: str = "output"
    cotangent: Optional[np.ndarray[Any, Any]] = None
    tangents: tuple[np.ndarray[Any, Any], ...] = ()


@dataclass(frozen=True)
class Argument:
    """One parameter of a call's signature; ``default`` is its Python source, ``None`` where one has to be given."""

    name: str
    default: str | None = None

    def __str__(self) -> str:
        return self.name if self.default is None else f"{self.name}={self.default}"


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
    """What a side did: its output tensors by name, or its failure; and the seconds that it took.

    Besides outputs there are ``grad.N`` of the N-th input, ``grad.NAME`` and ``grad2.NAME`` of the parameters, in the
    side's own names. A failure to differentiate leaves the outputs in place.
    """

    outputs: Mapping[str, np.ndarray[Any, Any]]
    failure: Failure | None
    seconds: float


class Backend(Protocol):
    """The narrow door to a framework."""

    def provenance(self) -> Mapping[str, Any]:
        """Framework, version, device, threads and numerical flags, as JSON values."""

    def observe(self, request: Request) -> Observation:
        """Run the request. Errors of the framework come back as the observation's failure, never as exceptions.

        Raises:
            MemoryError: there is too little.
        """

    def signature(self, call: str, of: str) -> Sequence[Argument]:
        """The installed parameters of a call, in order.

        Args:
            call: dotted name of a class or function.
            of: ``constructor``, or ``call`` for that of the built layer.

        Raises:
            LookupError: there is no such call, or it does not tell its signature.
        """
