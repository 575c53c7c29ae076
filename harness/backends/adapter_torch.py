"""torch behind the backend protocol."""

from __future__ import annotations

import importlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

from harness.backends import accelerator, cpu_isa, torch_devices
from harness.backends.pipeline import Gradients, PipelineBackend, Point, first
from harness.dtypes import dtype, floating, is_bfloat16
from harness.protocol import Request

PACKAGE = "torch"
DEVICES = tuple(torch_devices.DEVICES)
NEEDS = ("harness.backends.accelerator", "harness.backends.cpu_isa", "harness.backends.torch_devices")
MODES = ("",)
REQUIRES = "torch>=2.13,<2.14"
EXTENSION = "torch-npu>=2.13,<2.14"
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
    "tensor.bfloat16": "torch.from_numpy({array}).to(torch.bfloat16)",
    "array.bfloat16": "{tensor}.detach().float().numpy()",
    "backward": "leaves = [each.requires_grad_() for each in [{tensors}]]\n{forward}(*leaves).backward({cotangent})",
    "grad.input": "leaves[{index}].grad.numpy()",
    "grad.state": "{layer}.{name}.grad.numpy()",
    "called": "forward",
}
# By these words torch says that there is no such computation for a dtype, no derivative, or none that is deterministic.
LACKING = (
    "not implemented for",
    "does not require grad",
    "is not differentiable",
    "does not have a deterministic implementation",
)


def conflict() -> Optional[str]:
    """What in this environment keeps an installed torch from working; nothing is known to."""
    return None


def lacking(device: str) -> Optional[str]:
    """What this environment lacks for the device, as far as can be told without importing torch."""
    if device == "gpu":
        return accelerator.together(accelerator.torch_without_cuda(), accelerator.no_gpu())
    if device == "ascend":
        return accelerator.together(accelerator.absent("torch_npu", EXTENSION), accelerator.no_ascend())
    return None


class Adapter(PipelineBackend):
    """Eager torch on one device. Layers are built in the inputs' dtype; outputs are detached."""

    CALLED = DIALECT["called"]

    def __init__(self, device: str = "cpu", mode: str = "", threads: int = 1) -> None:
        """Import torch, set its threads and the device up."""
        self.torch = importlib.import_module("torch")
        self.torch.set_num_threads(threads)
        self.torch.use_deterministic_algorithms(True)
        self.device, self.kind = torch_devices.DEVICES[device](self.torch), device
        self.isa = cpu_isa.of_torch(self.torch) if device == "cpu" else {}

    def provenance(self) -> Mapping[str, Any]:
        """See the protocol."""
        return {
            "framework": "torch",
            "version": self.torch.__version__,
            "device": self.kind,
            **self.device.told(),
            "threads": self.torch.get_num_threads(),
            "deterministic": self.torch.are_deterministic_algorithms_enabled(),
            "mkldnn": self.torch.backends.mkldnn.is_available(),
            **self.isa,
        }

    def to_tensor(self, array: np.ndarray[Any, Any]) -> Any:
        """See PipelineBackend."""
        half = is_bfloat16(array)
        tensor = self.torch.from_numpy((array.view(np.int16) if half else array).copy())
        return (tensor.view(self.torch.bfloat16) if half else tensor).to(self.device.where)

    def to_array(self, tensor: Any) -> np.ndarray[Any, Any]:
        """See PipelineBackend."""
        plain, half = tensor.detach().cpu(), tensor.dtype == self.torch.bfloat16
        array: np.ndarray[Any, Any] = (plain.view(self.torch.int16) if half else plain).numpy()
        return array.view(dtype("bfloat16")) if half else array

    def gradients(self, run: Callable[..., Any], layer: Any, point: Point) -> Gradients:
        """See PipelineBackend."""
        leaves = [each for each in point.inputs if each.is_floating_point()]
        for each in leaves:
            each.requires_grad_()
        named = dict(layer.named_parameters()) if hasattr(layer, "named_parameters") else {}
        # Copies, since a layer that works in place must not touch what is derived by.
        output = first(run(*[each.clone() if each.is_floating_point() else each for each in point.inputs]))
        again = bool(point.tangents)
        found = self._derived(output, [*leaves, *named.values()], point.cotangent, again)
        by_input = iter(found[: len(leaves)])
        second: Dict[str, Any] = {}
        if again:
            tangents = [tangent for tangent, each in zip(point.tangents, point.inputs) if each.is_floating_point()]
            by = list(named.values())
            twice = self.torch.autograd.grad(found[: len(leaves)], by, tangents, allow_unused=True)
            second = {name: each for name, each in zip(named, twice) if each is not None}
        return Gradients(
            [next(by_input) if each.is_floating_point() else None for each in point.inputs],
            dict(zip(named, found[len(leaves) :])),
            second,
        )

    def _derived(self, outputs: Any, by: List[Any], weights: Any, again: bool) -> List[Any]:
        """The derivatives, zeros by what plays no part."""
        found = self.torch.autograd.grad(outputs, by, weights, create_graph=again, allow_unused=True)
        return [self.torch.zeros_like(leaf) if each is None else each for leaf, each in zip(by, found)]

    def parameters(self, layer: Any) -> Dict[str, Tuple[int, ...]]:
        """See PipelineBackend."""
        named = layer.named_parameters() if hasattr(layer, "named_parameters") else ()  # a function has none
        return {name: tuple(parameter.shape) for name, parameter in named}

    def assign(self, layer: Any, name: str, array: np.ndarray[Any, Any]) -> None:
        """See PipelineBackend."""
        dict(layer.named_parameters())[name].data = self.to_tensor(array)  # copy_ would cast without a word

    def load(self, layer: Any, state: Mapping[str, np.ndarray[Any, Any]], way: str) -> None:
        """See PipelineBackend: ``load_state_dict``."""
        if way != "load_state_dict":
            return super().load(layer, state, way)
        layer.load_state_dict({name: self.to_tensor(array) for name, array in state.items()})
        return None

    def unsupported(self, error: BaseException) -> bool:
        """See PipelineBackend."""
        return any(words in str(error) for words in LACKING) or super().unsupported(error)

    def synchronise(self) -> None:
        """See PipelineBackend."""
        self.device.synchronise()

    def seed(self, seed: int) -> None:
        """See PipelineBackend."""
        self.torch.manual_seed(seed)

    def read(self, layer: Any, name: str) -> np.ndarray[Any, Any]:
        """See PipelineBackend."""
        return self.to_array(dict(layer.named_parameters())[name])

    def prepare(self, layer: Any, request: Request) -> Any:
        """See PipelineBackend. A step that is no module has nothing to move."""
        if not hasattr(layer, "to"):
            return layer
        layer = layer.to(self.device.where)
        return layer.to(self.to_tensor(request.inputs[0][:0]).dtype) if floating(request.inputs[0]) else layer
