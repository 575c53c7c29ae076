"""From a case and its tensors to one side's request: the state map at work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.model import Array, Case, Parameter
from harness.protocol import Request


@dataclass(frozen=True)
class Tensors:
    """Inputs and canonical state of a case, by name."""

    inputs: Mapping[str, Array]
    state: Mapping[str, Array]

    def map(self, change: Callable[[Array], Array]) -> Tensors:
        """Each array changed."""
        return Tensors(
            {name: change(array) for name, array in self.inputs.items()},
            {name: change(array) for name, array in self.state.items()},
        )

    def astype(self, dtype: np.dtype[Any]) -> Tensors:
        """Each array in this dtype."""
        return self.map(lambda array: array.astype(dtype))

    def without(self, name: str) -> Tensors:
        """The same with one parameter zeroed."""
        return Tensors(self.inputs, {**self.state, name: np.zeros_like(self.state[name])})


def request(case: Case, framework: str, tensors: Tensors) -> Request:
    """One side's request: its pipeline, the inputs, and the state in its own names and layouts."""
    side = case.sides[framework]
    state = laid_out(case, framework, tensors.state) if case.align else None
    return Request(side.steps, side.layer, tuple(tensors.inputs.values()), state, side.load if case.align else "")


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
