"""The adjudicator: torch's calls by their definitions, so that it can say which of two frameworks is off.

It imports no framework; what the calls are is in ``layers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.backends.convolution import Array
from harness.backends.layers import LAYERS, Layer
from harness.backends.pipeline import Gradients, PipelineBackend, Point

PACKAGE = "numpy"
DEVICES = ("cpu",)
MODES = ("",)
REQUIRES = "numpy>=1.26,<2"


def conflict() -> str | None:
    """What in this environment keeps NumPy from working; nothing is known to."""
    return None


class Adapter(PipelineBackend):
    """The adjudicator behind the protocol of every backend; mode and threads are taken and have no effect."""

    def __init__(self, device: str = "cpu", mode: str = "", threads: int = 1) -> None:
        """Raise ``ValueError`` for any device but the cpu."""
        if device != "cpu":
            raise ValueError(f"the NumPy adjudicator runs on the cpu only, not on {device!r}")

    def provenance(self) -> dict[str, Any]:
        """Framework, version and device, as JSON values."""
        return {"framework": "numpy", "version": np.__version__, "device": "cpu"}

    def resolve(self, call: str) -> Any:
        """The layer with torch's dotted name. Raises ``NotImplementedError`` for a call that has no definition here."""
        if call not in LAYERS:
            raise NotImplementedError(f"the adjudicator has no definition of {call}")
        return LAYERS[call]

    def to_tensor(self, array: Array) -> Array:
        """The array itself, dtype kept."""
        return np.asarray(array)

    def to_array(self, tensor: Any) -> Array:
        """The array itself."""
        array: Array = tensor
        return array

    def gradients(self, run: Any, layer: Any, point: Point) -> Gradients:
        """By definition, one step after the other; the second one is that of layers that are linear in their input."""
        by_input, by_state = _backward(run.steps, layer, point.inputs[0], point.cotangent, "__call__")
        if not point.tangents:
            return Gradients([by_input], by_state)
        # The weighted sum of the input's derivatives is that of the steps' linear part at the weights, where the
        # bias has no part in it.
        _, second = _backward(run.steps, layer, point.tangents[0], point.cotangent, "linear")
        return Gradients([by_input], by_state, {name: array for name, array in second.items() if name != "bias"})

    def parameters(self, layer: Any) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter."""
        return {name: array.shape for name, array in layer.state.items()}

    def assign(self, layer: Any, name: str, array: Array) -> None:
        """Set one parameter."""
        layer.state[name] = np.asarray(array)


def _backward(
    steps: Sequence[Layer], layer: Layer, x: Array, gradient: Array, forward: str
) -> tuple[Array, dict[str, Array]]:
    """The derivatives by x and by the parameters of the layer, which is one of the steps."""
    seen = [x]
    for step in steps[:-1]:
        seen.append(getattr(step, forward)(seen[-1]))
    found: dict[str, Array] = {}
    for step, given in zip(reversed(steps), reversed(seen)):
        gradient, of_step = step.backward(given, gradient)
        found = of_step if step is layer else found
    return gradient, found
