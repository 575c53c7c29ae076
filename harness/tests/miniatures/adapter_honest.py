"""A small correct framework, the reference of the tests: a linear layer over the last axis and a scale per channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from harness.backends.pipeline import PipelineBackend

Array = np.ndarray[Any, Any]

PACKAGE = "numpy"
DEVICES = ("cpu",)
MODES = ("",)
REQUIRES = "numpy"


def conflict() -> str | None:
    """Nothing keeps it from working."""
    return None


class Layer:
    """A layer whose parameters have shapes from the start and values once they are assigned."""

    shapes: dict[str, tuple[int, ...]]

    def __init__(self) -> None:
        self.state: dict[str, Array] = {name: np.ones(shape, np.float16) for name, shape in self.shapes.items()}

    def __call__(self, x: Array) -> Any:
        return self.compute(x, self.state["weight"], self.state["bias"])

    def compute(self, x: Array, weight: Array, bias: Array) -> Any:
        raise NotImplementedError


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
        self.threads = threads

    def provenance(self) -> Mapping[str, Any]:
        return {"framework": self.name, "version": "1.0", "device": "cpu", "threads": self.threads}

    def resolve(self, call: str) -> Any:
        framework, _, layer = call.rpartition(".")
        if framework != self.name or layer not in self.layers:
            raise AttributeError(f"{self.name} has no {call}")
        return self.layers[layer]

    def to_tensor(self, array: Array) -> Array:
        return array.copy()

    def to_arrays(self, output: Any) -> dict[str, Array]:
        fetched = output() if callable(output) else output
        return fetched if isinstance(fetched, dict) else {"output": fetched}

    def parameters(self, layer: Any) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in getattr(layer, "state", {}).items()}

    def assign(self, layer: Any, name: str, array: Array) -> None:
        layer.state[name] = array.copy()


class Adapter(MiniatureBackend):
    """The correct layers."""

    name = "honest"
    layers: ClassVar[Mapping[str, Any]] = {"Linear": Linear, "Scale": Scale, "Table": Table, "Picky": Picky}
