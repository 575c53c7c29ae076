"""From a case and its tensors to one side's request: the state map at work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.model import Array, Case, Parameter
from harness.protocol import Request

COTANGENT = "cotangent"


def tangent(name: str) -> str:
    """What an input's tangent is called."""
    return f"tangent {name}"


@dataclass(frozen=True)
class Tensors:
    """Inputs and canonical state of a case, by name, and what derivatives are weighted by, if there are any.

    Attributes:
        cotangent: of the output, in its shape.
        tangents: of the derivative of each input, where there is a second one.
    """

    inputs: Mapping[str, Array]
    state: Mapping[str, Array]
    cotangent: Array | None = None
    tangents: Mapping[str, Array] = field(default_factory=dict)

    def named(self) -> dict[str, Array]:
        """All of them; the tangent of an input by its name and ``'tangent '``."""
        weights = {} if self.cotangent is None else {COTANGENT: self.cotangent}
        return {**self.inputs, **self.state, **weights, **{tangent(name): v for name, v in self.tangents.items()}}

    def map(self, change: Callable[[Array], Array]) -> Tensors:
        """Each array changed."""
        return self.map_named(lambda _, array: change(array))

    def map_named(self, change: Callable[[str, Array], Array]) -> Tensors:
        """Each array changed, depending on its name, as in :meth:`named`."""
        return Tensors(
            {name: change(name, array) for name, array in self.inputs.items()},
            {name: change(name, array) for name, array in self.state.items()},
            None if self.cotangent is None else change(COTANGENT, self.cotangent),
            {name: change(tangent(name), array) for name, array in self.tangents.items()},
        )

    def astype(self, dtype: np.dtype[Any]) -> Tensors:
        """Each array in this dtype."""
        return self.map(lambda array: array.astype(dtype))

    def without(self, name: str) -> Tensors:
        """The inputs and the state with one parameter zeroed; nothing to differentiate by."""
        return Tensors(self.inputs, {**self.state, name: np.zeros_like(self.state[name])})


def request(case: Case, framework: str, tensors: Tensors) -> Request:
    """One side's request: its pipeline, the inputs, and the state in its own names and layouts."""
    side = case.sides[framework]
    state = laid_out(case, framework, tensors.state) if case.align else None
    load = side.load if case.align else ""
    # What a framework's own way leaves as it was built has to be built alike each time, to be told from noise.
    seed = 0 if load else None
    given, weights = tuple(tensors.inputs.values()), tuple(tensors.tangents.values())
    return Request(side.steps, side.layer, given, state, load, seed, cotangent=tensors.cotangent, tangents=weights)


def canonical(case: Case, framework: str, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """What a side gave, with derivatives by the case's names and in its layouts: ``grad.x``, ``grad2.weight``."""
    parameters = {own_name(each, framework): each for each in present(case, framework)}
    named = {}
    for name, array in outputs.items():
        kind, dot, of = name.partition(".")
        if not dot:
            named[name] = array
        elif of in parameters:
            named[f"{kind}.{parameters[of].name}"] = from_side(parameters[of], framework, array)
        elif of.isdecimal():
            named[f"{kind}.{list(case.inputs)[int(of)]}"] = array
    return named


def present(case: Case, framework: str) -> list[Parameter]:
    """The parameters that the framework has in this case."""
    return [parameter for parameter in case.state if framework not in parameter.lacking]


def laid_out(case: Case, framework: str, canonical: Mapping[str, Array]) -> dict[str, Array]:
    """The canonical state in the framework's own names and layouts."""
    return {
        own_name(each, framework): to_side(each, framework, canonical[each.name]) for each in present(case, framework)
    }


def side_shape(parameter: Parameter, framework: str) -> tuple[int, ...]:
    """The parameter's shape in the framework's layout."""
    shape: tuple[int, ...] = to_side(parameter, framework, np.empty(parameter.shape, np.int8)).shape
    return shape


def own_name(parameter: Parameter, framework: str) -> str:
    """What the framework calls the parameter."""
    return parameter.names.get(framework, parameter.name)


def to_side(parameter: Parameter, framework: str, array: Array) -> Array:
    """The canonical array in the framework's layout. Values are moved, never changed."""
    axes, axis = parameter.swap.get(framework), parameter.expand_dims.get(framework)
    moved = array if axes is None else np.ascontiguousarray(np.swapaxes(array, *axes))
    return moved if axis is None else np.expand_dims(moved, axis)


def from_side(parameter: Parameter, framework: str, array: Array) -> Array:
    """The inverse of :func:`to_side`."""
    axes, axis = parameter.swap.get(framework), parameter.expand_dims.get(framework)
    moved = array if axis is None else np.squeeze(array, axis)
    return moved if axes is None else np.ascontiguousarray(np.swapaxes(moved, *axes))
