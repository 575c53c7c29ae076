"""MindSpore behind the backend protocol."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np

from harness.backends.pipeline import PipelineBackend
from harness.protocol import Request

PACKAGE = "mindspore"
DEVICES = ("cpu",)
MODES = ("",)
REQUIRES = "mindspore>=2.10,<2.11"
WAYS = ("set_data", "load_param_into_net", "constructor")
# How its code is written, where the harness writes some.
DIALECT = {
    "tensor": "mindspore.Tensor({array})",
    "array": "{tensor}.asnumpy()",
    "read": "{layer}.{name}.asnumpy()",
    "write": "{layer}.{name}.set_data(mindspore.Tensor({array}))",
    "shapes": "{{name: tuple(each.shape) for name, each in {layer}.parameters_and_names()}}",
    "cast": "[each.set_dtype(mindspore.{dtype}) for each in {layer}.get_parameters()]",
    "set_data.entry": "{layer}.{name}.set_data(mindspore.Tensor({array}))",
    "load_param_into_net": "mindspore.load_param_into_net({layer}, {{{entries}}})",
    "load_param_into_net.entry": '"{name}": mindspore.Parameter(mindspore.Tensor({array}), name="{name}")',
    "constructor.entry": "{name}_init=mindspore.Tensor({array})",
    "setup": "mindspore.runtime.launch_blocking()  # so that an error is raised where it arises",
    "called": "construct",
}
# By these words MindSpore says that a computation or a dtype has no kernel on the device.
LACKING = ("Select CPU operator", "unsupported data type", "Unsupported op", "is not supported on CPU")


def conflict() -> Optional[str]:
    """What in this environment keeps an installed MindSpore from working."""
    if not np.__version__.startswith("1."):
        return (
            f"NumPy {np.__version__} is installed, but parts of MindSpore are built for NumPy 1 and fail inside an "
            "operator with NumPy 2; mend it with: python -m pip install 'numpy<2'"
        )
    return None


class Adapter(PipelineBackend):
    """MindSpore on the CPU, PyNative. Launches are blocking, so that an error belongs to its own trial."""

    CALLED = DIALECT["called"]

    def __init__(self, device: str = "cpu", mode: str = "", threads: int = 1) -> None:
        """Import MindSpore, choose the device and make launches synchronous."""
        os.environ.setdefault("GLOG_v", "3")
        self.mindspore = importlib.import_module("mindspore")
        self.mindspore.set_device("CPU")
        self.mindspore.set_context(mode=self.mindspore.PYNATIVE_MODE)
        self.mindspore.runtime.launch_blocking()

    def provenance(self) -> Mapping[str, Any]:
        """See the protocol."""
        return {
            "framework": "mindspore",
            "version": self.mindspore.__version__,
            "device": "cpu",
            "driver": None,
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "mode": "pynative",
            "launch_blocking": True,
            "hf32": None,
            "deterministic": None,
        }

    def to_tensor(self, array: np.ndarray[Any, Any]) -> Any:
        """See PipelineBackend."""
        return self.mindspore.Tensor(array)

    def to_array(self, tensor: Any) -> np.ndarray[Any, Any]:
        """See PipelineBackend. Waits for the computation: errors of asynchronous launches surface here."""
        array: np.ndarray[Any, Any] = tensor.asnumpy()
        return array

    def parameters(self, layer: Any) -> Dict[str, Tuple[int, ...]]:
        """See PipelineBackend."""
        return {name: tuple(parameter.shape) for name, parameter in layer.parameters_and_names()}

    def assign(self, layer: Any, name: str, array: np.ndarray[Any, Any]) -> None:
        """See PipelineBackend."""
        dict(layer.parameters_and_names())[name].set_data(self.mindspore.Tensor(array))

    def load(self, layer: Any, state: Mapping[str, np.ndarray[Any, Any]], way: str) -> None:
        """See PipelineBackend: ``set_data`` of each parameter, or ``load_param_into_net`` of all."""
        if way == "set_data":
            for name, array in state.items():
                self.assign(layer, name, array)
        elif way == "load_param_into_net":
            parameters = {name: self.mindspore.Parameter(self.to_tensor(a), name=name) for name, a in state.items()}
            self.mindspore.load_param_into_net(layer, parameters)
        else:
            super().load(layer, state, way)

    def initial(self, state: Mapping[str, np.ndarray[Any, Any]]) -> Dict[str, Any]:
        """See PipelineBackend: MindSpore's layers take each parameter's initial value by its name and ``_init``."""
        return {f"{name}_init": self.to_tensor(array) for name, array in state.items()}

    def seed(self, seed: int) -> None:
        """See PipelineBackend."""
        self.mindspore.set_seed(seed)

    def read(self, layer: Any, name: str) -> np.ndarray[Any, Any]:
        """See PipelineBackend."""
        value: np.ndarray[Any, Any] = dict(layer.parameters_and_names())[name].asnumpy()
        return value

    def prepare(self, layer: Any, request: Request) -> Any:
        """See PipelineBackend. Parameters take the inputs' dtype before they are loaded."""
        dtype = self.mindspore.Tensor(request.inputs[0][:0]).dtype if request.inputs[0].dtype != np.float32 else None
        if dtype is not None:
            for parameter in layer.get_parameters():
                parameter.set_dtype(dtype)
        return layer

    def unsupported(self, error: BaseException) -> bool:
        """See PipelineBackend."""
        return any(words in str(error) for words in LACKING) or super().unsupported(error)
