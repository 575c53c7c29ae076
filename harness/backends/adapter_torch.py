"""torch behind the backend protocol."""

from __future__ import annotations

import importlib
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np

from harness.backends.pipeline import PipelineBackend
from harness.protocol import Request

PACKAGE = "torch"
DEVICES = ("cpu",)
MODES = ("",)
REQUIRES = "torch>=2.13,<2.14"
WAYS = ("load_state_dict",)
# How its code is written, where the harness writes some.
DIALECT = {
    "tensor": "torch.from_numpy({array})",
    "array": "{tensor}.detach().numpy()",
    "read": "{layer}.{name}.detach().numpy()",
    "write": "{layer}.{name}.data = torch.from_numpy({array}).clone()",
    "shapes": "{{name: tuple(each.shape) for name, each in {layer}.named_parameters()}}",
    "cast": "{layer}.to(torch.{dtype})",
    "load_state_dict": "{layer}.load_state_dict({{{entries}}})",
    "load_state_dict.entry": '"{name}": torch.from_numpy({array})',
    "called": "forward",
}


def conflict() -> Optional[str]:
    """What in this environment keeps an installed torch from working; nothing is known to."""
    return None


class Adapter(PipelineBackend):
    """Eager torch on the CPU. Layers are built in the inputs' dtype; outputs are detached."""

    CALLED = DIALECT["called"]

    def __init__(self, device: str = "cpu", mode: str = "", threads: int = 1) -> None:
        """Import torch and set its threads."""
        self.torch = importlib.import_module("torch")
        self.torch.set_num_threads(threads)
        self.torch.use_deterministic_algorithms(True)

    def provenance(self) -> Mapping[str, Any]:
        """See the protocol."""
        return {
            "framework": "torch",
            "version": self.torch.__version__,
            "device": "cpu",
            "driver": None,
            "threads": self.torch.get_num_threads(),
            "tf32": self.torch.backends.cuda.matmul.allow_tf32,
            "deterministic": self.torch.are_deterministic_algorithms_enabled(),
            "mkldnn": self.torch.backends.mkldnn.is_available(),
        }

    def to_tensor(self, array: np.ndarray[Any, Any]) -> Any:
        """See PipelineBackend."""
        return self.torch.from_numpy(array.copy())

    def to_array(self, tensor: Any) -> np.ndarray[Any, Any]:
        """See PipelineBackend."""
        array: np.ndarray[Any, Any] = tensor.detach().numpy()
        return array

    def parameters(self, layer: Any) -> Dict[str, Tuple[int, ...]]:
        """See PipelineBackend."""
        return {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}

    def assign(self, layer: Any, name: str, array: np.ndarray[Any, Any]) -> None:
        """See PipelineBackend."""
        with self.torch.no_grad():
            dict(layer.named_parameters())[name].copy_(self.torch.from_numpy(array))

    def load(self, layer: Any, state: Mapping[str, np.ndarray[Any, Any]], way: str) -> None:
        """See PipelineBackend: ``load_state_dict``."""
        if way != "load_state_dict":
            return super().load(layer, state, way)
        layer.load_state_dict({name: self.to_tensor(array) for name, array in state.items()})
        return None

    def seed(self, seed: int) -> None:
        """See PipelineBackend."""
        self.torch.manual_seed(seed)

    def read(self, layer: Any, name: str) -> np.ndarray[Any, Any]:
        """See PipelineBackend."""
        value: np.ndarray[Any, Any] = dict(layer.named_parameters())[name].detach().numpy()
        return value

    def prepare(self, layer: Any, request: Request) -> Any:
        """See PipelineBackend."""
        return layer.to(self.torch.from_numpy(request.inputs[0][:0].copy()).dtype)
