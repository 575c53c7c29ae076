"""A small correct framework, the reference of the tests: a linear layer over the last axis and a scale per channel."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from harness import isa
from harness.backends.pipeline import Gradients, PipelineBackend, Point
from harness.protocol import Request

Array = np.ndarray[Any, Any]

PACKAGE = "numpy"
DEVICES = ("cpu",)
MODES = ("",)
REQUIRES = "numpy"
WAYS: tuple[str, ...] = ("strict",)
DIALECT = {
    "tensor": "numpy.asarray({array})",
    "array": "numpy.asarray({tensor})",
    "read": '{layer}.state["{name}"]',
    "write": '{layer}.state["{name}"] = {array}',
    "shapes": "{{name: each.shape for name, each in {layer}.state.items()}}",
    "cast": "{layer}.state = {{name: each.astype(numpy.{dtype}) for name, each in {layer}.state.items()}}",
    "called": "__call__",
}


def conflict() -> str | None:
    """Nothing keeps it from working."""
    return None


class Layer:
    """A layer whose parameters have shapes from the start and values once they are assigned.

    Attributes:
        mode: that of the backend which has built it.
        deriving: whether it is called for its derivatives.
    """

    shapes: dict[str, tuple[int, ...]]
    mode = ""
    deriving = False

    def __init__(self) -> None:
        self.state: dict[str, Array] = {name: np.ones(shape, np.float16) for name, shape in self.shapes.items()}

    def __call__(self, x: Array) -> Any:
        return self.compute(x, self.state["weight"], self.state["bias"])

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        raise NotImplementedError

    def derived(self, of: str, gradient: Array) -> Array:
        """What the layer makes of its derivative by a parameter, or by an input, whose name is its number."""
        return gradient


class Linear(Layer):
    """``y = x @ weight.T + bias`` over the last axis."""

    def __init__(self, ci: int, co: int) -> None:
        self.shapes = {"weight": (co, ci), "bias": (co,)}
        super().__init__()

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        return x @ weight.T + bias


class Scale(Layer):
    """``y = x * weight + bias``, one weight and one bias a channel."""

    def __init__(self, c: int) -> None:
        self.shapes = {"weight": (c,), "bias": (c,)}
        super().__init__()

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        channelwise = (-1,) + (1,) * (x.ndim - 2)
        return x * weight.reshape(channelwise) + bias.reshape(channelwise)


class Dense(Layer):
    """A linear layer in groups that draws its state: uniform, within one over the root of the fan-in."""

    weight = "weight"

    def __init__(
        self,
        ci: int,
        co: int,
        groups: int = 1,
        bias: bool = True,
        gain: Any = 1,
        least: int = 1,
        weight_init: Any = None,
        bias_init: Any = None,
        device: Any = None,
    ) -> None:
        if ci < 1:
            raise ValueError(f"ci must be\npositive, is {ci}")
        self.groups, self.gain, self.least = groups, gain, least
        fan = self.fan_in(ci, groups)
        self.state = {self.weight: self.draw((co, ci // groups), fan) if weight_init is None else weight_init}
        if bias:
            self.state["bias"] = self.draw((co,), fan) if bias_init is None else bias_init

    def fan_in(self, ci: int, groups: int) -> int:
        return ci // groups

    def draw(self, shape: tuple[int, ...], fan: int) -> Array:
        """Values of a fresh parameter."""
        return np.random.uniform(-(fan**-0.5), fan**-0.5, shape).astype(np.float32)

    def __call__(self, x: Array) -> Any:
        if x.shape[1] < self.least:
            raise ValueError(f"at least {self.least} rows are needed, not {x.shape[1]}")
        pairs = zip(np.split(x, self.groups, -1), np.split(self.matrix, self.groups), strict=True)
        output = np.concatenate([part @ weight.T for part, weight in pairs], -1)
        if "bias" in self.state:
            output = output + self.state["bias"]
        return output * x.dtype.type(x.shape[1] if self.gain == "extent" else self.gain)

    @property
    def matrix(self) -> Array:
        """The weight, outputs first."""
        return self.state["weight"]


class Table:
    """A lookup by angle: nothing is accumulated, so no bound can be derived."""

    def __call__(self, x: Array) -> Any:
        return np.tanh(x)


class Picky:
    """Rejects its arguments."""

    def __init__(self, **given: Any) -> None:
        raise ValueError(f"honest takes no {', '.join(given) or 'such layer'}")


class MiniatureBackend(PipelineBackend):
    """The hooks that both miniature frameworks share."""

    name: str
    layers: ClassVar[Mapping[str, Any]]

    def __init__(self, device: str = "cpu", mode: str = "", threads: int = 1) -> None:
        self.threads, self.mode = threads, mode

    def prepare(self, layer: Any, request: Request) -> Any:
        if isinstance(layer, Layer):
            layer.mode = self.mode
        return layer

    def provenance(self) -> Mapping[str, Any]:
        told = {"framework": self.name, "version": "1.0", "device": "cpu", "threads": self.threads}
        return {**told, "isa": kept_within()}

    def resolve(self, call: str) -> Any:
        framework, _, layer = call.rpartition(".")
        if framework != self.name or layer not in self.layers:
            raise AttributeError(f"{self.name} has no {call}")
        return self.layers[layer]

    def to_tensor(self, array: Array) -> Array:
        return array.copy()

    def to_array(self, tensor: Any) -> Array:
        array: Array = tensor
        return array

    def to_arrays(self, output: Any) -> dict[str, Array]:
        fetched = output() if callable(output) else output
        return fetched if isinstance(fetched, dict) else {"output": fetched}

    def parameters(self, layer: Any) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in getattr(layer, "state", {}).items()}

    def assign(self, layer: Any, name: str, array: Array) -> None:
        layer.state[name] = array.copy()

    def read(self, layer: Any, name: str) -> Array:
        value: Array = layer.state[name]
        return value

    def gradients(self, run: Callable[..., Any], layer: Any, point: Point) -> Gradients:
        """By differences, which are exact for layers that are affine in each tensor; in float64."""
        state = getattr(layer, "state", {})
        inputs = [array.astype(np.float64) for array in point.inputs]

        def weighted(given: Sequence[Array]) -> float:
            return float((self.to_arrays(run(*given))["output"].astype(np.float64) * point.cotangent).sum())

        def directional() -> float:
            return weighted([a + v for a, v in zip(inputs, point.tangents, strict=True)]) - weighted(inputs)

        if state:
            layer.state = {name: array.astype(np.float64) for name, array in state.items()}
            layer.deriving = True
        by_input = [
            _differences(array, lambda: weighted(inputs), given.dtype)
            for array, given in zip(inputs, point.inputs, strict=True)
        ]
        found = Gradients(
            by_input,
            {name: _differences(layer.state[name], lambda: weighted(inputs), state[name].dtype) for name in state},
            {name: _differences(layer.state[name], directional, state[name].dtype) for name in state}
            if point.tangents
            else {},
        )
        if state:
            layer.state, layer.deriving = state, False
        if not isinstance(layer, Layer):
            return found
        return Gradients(
            [layer.derived(str(index), each) for index, each in enumerate(by_input)],
            {name: layer.derived(name, each) for name, each in found.state.items()},
            found.second,
        )

    def seed(self, seed: int) -> None:
        np.random.seed(seed)

    def load(self, layer: Any, state: Mapping[str, Array], way: str) -> None:
        """One way that is right: ``strict`` checks names and shapes."""
        if way != "strict":
            return super().load(layer, state, way)
        if {name: array.shape for name, array in state.items()} != self.parameters(layer):
            raise KeyError("names or shapes are not the layer's")
        for name, array in state.items():
            self.assign(layer, name, array)
        return None


def kept_within() -> str:
    """The instruction set that this framework takes: it reads the variable itself, as oneDNN does."""
    words = {values.onednn: word for word, values in isa.ISAS.items()}
    return words.get(os.environ.get(isa.ONEDNN[0], ""), isa.NATIVE)


def _differences(array: Array, scalar: Callable[[], float], dtype: np.dtype[Any]) -> Array:
    """How much the scalar grows with each element of the array, which is changed in place and back."""
    start, found = scalar(), np.empty(array.shape)
    for place in np.ndindex(array.shape):
        before, array[place] = array[place], array[place] + 1
        found[place] = scalar() - start
        array[place] = before
    return found.astype(dtype)


class Adapter(MiniatureBackend):
    """The correct layers."""

    name = "honest"
    layers: ClassVar[Mapping[str, Any]] = {
        **{"Linear": Linear, "Scale": Scale, "Dense": Dense, "Table": Table, "Picky": Picky},
    }
