"""MindSpore behind the backend protocol."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from harness.backends import accelerator, cpu_isa, mindspore_devices
from harness.backends.pipeline import Gradients, PipelineBackend, Point, first
from harness.dtypes import dtype, floating, is_bfloat16, widened
from harness.protocol import Observation, Request

PACKAGE = "mindspore"
TITLE = "MindSpore"
DEVICES = tuple(mindspore_devices.DEVICES)
NEEDS = ("harness.backends.accelerator", "harness.backends.cpu_isa", "harness.backends.mindspore_devices")
MODES = ("", "graph")
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
    "setup.graph": "mindspore.set_context(mode=mindspore.GRAPH_MODE)",
    "tensor.bfloat16": "mindspore.Tensor({array}, mindspore.bfloat16)",
    "array.bfloat16": "{tensor}.float().asnumpy()",
    "backward": "derive = mindspore.ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)\n"
    "by_input, by_state = derive({forward}, mindspore.ParameterTuple({layer}.parameters_dict().values()))"
    "({tensors}, {cotangent})",
    "backward.stateless": "by_input = mindspore.ops.GradOperation(get_all=True, sens_param=True)({forward})"
    "({tensors}, {cotangent})",
    "grad.input": "by_input[{index}].asnumpy()",
    "grad.state": 'dict(zip({layer}.parameters_dict(), by_state))["{name}"].asnumpy()',
    "called": "construct",
}
# By these words MindSpore says that a computation or a dtype has no kernel on the device.
LACKING = (
    "Select CPU operator",
    "Select GPU operator",
    "unsupported data type",
    "Unsupported op",
    "is not supported on CPU",
    "is not supported on GPU",
    "is not supported on Ascend",
    " unregistered.",
    "must be a type of {Tensor[",
    "bprop not defined",
)


def conflict() -> Optional[str]:
    """What in this environment keeps an installed MindSpore from working."""
    if not np.__version__.startswith("1."):
        return (
            f"NumPy {np.__version__} is installed, but parts of MindSpore are built for NumPy 1 and fail inside an "
            "operator with NumPy 2; mend it with: python -m pip install 'numpy<2'"
        )
    return None


def lacking(device: str) -> Optional[str]:
    """What this environment lacks for the device, as far as can be told without importing MindSpore."""
    if device == "cpu":
        return None
    built_for = " or ".join(f"CUDA {version}" for version in accelerator.mindspore_plugins("gpu"))
    hardware = accelerator.no_gpu(built_for) if device == "gpu" else accelerator.no_ascend()
    return accelerator.together(accelerator.mindspore_without(device), hardware)


class _Cells:
    """Cells of our own, whose base there is only once MindSpore is imported. Its compiler reads their source."""

    def __init__(self, mindspore: Any) -> None:
        class Function(mindspore.nn.Cell):  # type: ignore[misc]
            """A function of its input and of arguments that are fixed."""

            def __init__(self, thing: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
                super().__init__()
                self.thing, self.positional, self.named = thing, tuple(args), dict(kwargs)

            def construct(self, x: Any) -> Any:
                return self.thing(x, *self.positional, **self.named)

        class Gradient(mindspore.nn.Cell):  # type: ignore[misc]
            """The derivatives by the inputs, by the weights, or by both."""

            def __init__(self, run: Callable[..., Any], weights: Any, by_input: bool) -> None:
                super().__init__()
                self.run, self.weights = run, weights
                self.derive = mindspore.ops.GradOperation(by_input, weights is not None, sens_param=True)

            def construct(self, *given: Any) -> Any:
                if self.weights is None:
                    return self.derive(self.run)(*given)
                return self.derive(self.run, self.weights)(*given)

        class Directional(mindspore.nn.Cell):  # type: ignore[misc]
            """The derivative by one input, weighted by its tangent and summed up."""

            def __init__(self, run: Callable[..., Any]) -> None:
                super().__init__()
                self.run, self.derive = run, mindspore.ops.GradOperation(sens_param=True)

            def construct(self, x: Any, cotangent: Any, tangent: Any) -> Any:
                return (self.derive(self.run)(x, cotangent) * tangent).sum()

        self.Function, self.Gradient, self.Directional = Function, Gradient, Directional


@dataclass
class _Compiled:
    """The steps of a request as one cell, and its derivative."""

    steps: Sequence[Callable[..., Any]]
    whole: Any
    derivative: Any = None


class Adapter(PipelineBackend):
    """MindSpore on one device: PyNative, or compiled graphs. Launches block: an error belongs to its own trial."""

    CALLED = DIALECT["called"]

    def __init__(self, device: str = "cpu", mode: str = "", threads: int = 1) -> None:
        """Import MindSpore, choose the device and make launches synchronous."""
        os.environ.setdefault("GLOG_v", "3")
        # A graph that does not compile is written down, by default into the working directory.
        self._written = tempfile.TemporaryDirectory(prefix="mindspore-")
        os.environ.setdefault("MS_OM_PATH", self._written.name)
        self.mindspore = importlib.import_module("mindspore")
        self.device, self.kind = mindspore_devices.choose(self.mindspore, device), device
        self.mindspore.set_context(mode=self.mindspore.PYNATIVE_MODE)
        mindspore_devices.launch_blocking(self.mindspore)
        self.mode = mode
        self.isa = cpu_isa.of_mindspore(self.mindspore) if device == "cpu" else {}
        self.cells = _Cells(self.mindspore)
        self._last: Any = None
        self._compiled: Optional[_Compiled] = None

    def observe(self, request: Request) -> Observation:
        """See the protocol. Both modes live in one process, so that each trial sets its own."""
        if not self.mode:
            return super().observe(request)
        self.mindspore.set_context(mode=self.mindspore.GRAPH_MODE)
        try:
            return super().observe(request)
        finally:
            self.mindspore.set_context(mode=self.mindspore.PYNATIVE_MODE)

    def provenance(self) -> Mapping[str, Any]:
        """See the protocol."""
        return {
            "framework": "mindspore",
            "version": self.mindspore.__version__,
            "device": self.kind,
            **self.device.told(),
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "mode": self.mode or "pynative",
            "launch_blocking": True,
            **self.isa,
        }

    def to_tensor(self, array: np.ndarray[Any, Any]) -> Any:
        """See PipelineBackend."""
        if is_bfloat16(array):  # no NumPy has one of its own; float32 holds each of its values
            if not hasattr(self.mindspore, "bfloat16"):
                raise NotImplementedError(f"MindSpore {self.mindspore.__version__} has no bfloat16")
            return self.mindspore.Tensor(widened(array), self.mindspore.bfloat16)
        return self.mindspore.Tensor(array)

    def to_array(self, tensor: Any) -> np.ndarray[Any, Any]:
        """See PipelineBackend. Waits for the computation: errors of asynchronous launches surface here."""
        array: np.ndarray[Any, Any] = tensor.asnumpy()
        # MindSpore has a NumPy dtype of its own for bfloat16.
        return array.view(np.uint16).view(dtype("bfloat16")) if str(tensor.dtype) == "BFloat16" else array

    def function(self, thing: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """See PipelineBackend. Only a cell can be compiled along with others."""
        return self.cells.Function(thing, args, kwargs) if self.mode else super().function(thing, args, kwargs)

    def chained(self, steps: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
        """See PipelineBackend. Compiled as a whole in graph mode."""
        if not self.mode:
            chain = super().chained(steps)

            def named(*inputs: Any) -> Any:  # MindSpore asks what it derives for a name
                return chain(*inputs)

            return named
        if self._compiled is None or self._compiled.steps is not steps:
            whole = steps[0] if len(steps) == 1 else self.mindspore.nn.SequentialCell(*steps)
            self._compiled = _Compiled(steps, whole)
        compiled: Callable[..., Any] = self._compiled.whole
        return compiled

    def gradients(self, run: Callable[..., Any], layer: Any, point: Point) -> Gradients:
        """See PipelineBackend. By no input, where one of them is of integers."""
        parameters = self._parameters(layer)
        by_input = all(each.is_floating_point() for each in point.inputs)
        weights = self.mindspore.ParameterTuple(parameters.values()) if parameters else None
        derive = self._derivative(run, weights, by_input)
        found = derive(*point.inputs, point.cotangent) if by_input or parameters else ((), ())
        # Both come as a pair of tuples, one of them as a tuple.
        inputs, state = found if by_input == bool(parameters) else (found, ()) if by_input else ((), found)
        second: Sequence[Any] = ()
        if point.tangents and parameters:
            twice = self.mindspore.ops.GradOperation(get_by_list=True)
            second = twice(self.cells.Directional(run), weights)(*point.inputs, point.cotangent, *point.tangents)
        return Gradients(
            list(inputs) or [None] * len(point.inputs), dict(zip(parameters, state)), dict(zip(parameters, second))
        )

    def _derivative(self, run: Callable[..., Any], weights: Any, by_input: bool) -> Any:
        if self._compiled is None or self._compiled.whole is not run:

            def output(*inputs: Any) -> Any:  # the cotangent is that of the first output alone
                return first(run(*inputs))

            derive = self.mindspore.ops.GradOperation(by_input, weights is not None, sens_param=True)
            return derive(output) if weights is None else derive(output, weights)
        if self._compiled.derivative is None:
            self._compiled.derivative = self.cells.Gradient(run, weights, by_input)
        return self._compiled.derivative

    def build(self, request: Request) -> Sequence[Callable[..., Any]]:
        """See PipelineBackend. The next lane of a trial gets the graphs of the one before: only its values are other.

        MindSpore takes some 50 ms to compile a derivative, and does not free all of it.
        """
        # As text, in which True is not 1, nor 3.0 3.
        key = (
            [str(step) for step in request.steps],
            request.layer,
            [(each.shape, each.dtype) for each in request.inputs],
        )
        loaded = request.state is not None and not request.load
        if not (self.mode and loaded and self._last == key and self._compiled):
            steps = super().build(request)
            self._last, self._compiled = key if loaded else None, None
            return steps
        return self._compiled.steps

    def _parameters(self, layer: Any) -> Dict[str, Any]:
        """The parameters of a built layer, by name; a function has none."""
        return dict(layer.parameters_and_names()) if hasattr(layer, "parameters_and_names") else {}

    def parameters(self, layer: Any) -> Dict[str, Tuple[int, ...]]:
        """See PipelineBackend."""
        return {name: tuple(parameter.shape) for name, parameter in self._parameters(layer).items()}

    def assign(self, layer: Any, name: str, array: np.ndarray[Any, Any]) -> None:
        """See PipelineBackend."""
        parameter, tensor = self._parameters(layer)[name], self.to_tensor(array)
        if parameter.dtype != tensor.dtype:
            parameter.set_dtype(tensor.dtype)  # set_data would cast without a word
        parameter.set_data(tensor)

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

    def synchronise(self) -> None:
        """See PipelineBackend."""
        self.device.synchronise()

    def seed(self, seed: int) -> None:
        """See PipelineBackend."""
        self.mindspore.set_seed(seed)

    def read(self, layer: Any, name: str) -> np.ndarray[Any, Any]:
        """See PipelineBackend."""
        return self.to_array(self._parameters(layer)[name])

    def prepare(self, layer: Any, request: Request) -> Any:
        """See PipelineBackend. Parameters take the inputs' dtype before they are loaded."""
        if floating(request.inputs[0]) and request.inputs[0].dtype != np.float32:
            own = self.to_tensor(np.zeros(1, request.inputs[0].dtype)).dtype
            for parameter in layer.get_parameters():
                parameter.set_dtype(own)
        return layer

    def unsupported(self, error: BaseException) -> bool:
        """See PipelineBackend."""
        return any(words in str(error) for words in LACKING) or super().unsupported(error)
