"""FakeMindSpore: devices, determinism, precision and launches, and the rules of their order.

A fake after MindSpore 2.10's API documentation: a process has one device, determinism is set once, both before the
first operator; ``device_context`` speaks for the device that has been chosen only.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.model import Array
from harness.tests.fakes.device import FakeDevice


class FakeTensor:
    """A tensor that goes to the device by itself, when an operator needs it."""

    def __init__(self, array: Array, device: FakeDevice, launched: bool = False) -> None:
        self.array, self.device, self.launched = array, device, launched
        self.dtype = array.dtype.name

    def asnumpy(self) -> Array:
        if self.launched:
            self.device.synchronise()
            self.device.note("fetch")
        return self.array


class FakeScale:
    """The input times the weight. A class of its own for each device, since it is built without arguments."""

    device: FakeDevice

    def __init__(self) -> None:
        self.weight = FakeTensor(np.ones(3, np.float32), self.device)

    def parameters_and_names(self) -> Iterator[tuple[str, Any]]:
        yield "weight", SimpleNamespace(shape=(3,), dtype="float32", set_data=self._set)

    def _set(self, value: FakeTensor) -> None:
        self.weight = value

    def __call__(self, x: FakeTensor) -> FakeTensor:
        self.device.launch()
        return FakeTensor(x.array * self.weight.array, self.device, True)


class FakePrecision:
    """HF32 as MindSpore keeps it: text, empty until it is set."""

    def __init__(self, fake: FakeMindSpore) -> None:
        self.fake, self.conv, self.matmul = fake, "", ""
        conf = SimpleNamespace(conv_allow_hf32=lambda: self.conv, matmul_allow_hf32=lambda: self.matmul)
        self.AscendOpPrecisionConf = SimpleNamespace(get_instance=lambda: conf)

    def _set(self, name: str, value: bool) -> None:
        self.fake.needs("Ascend")
        self.fake.device.configure(f"{name}_allow_hf32({value})")
        setattr(self, name, "1" if value else "0")

    def conv_allow_hf32(self, value: bool) -> None:
        self._set("conv", value)

    def matmul_allow_hf32(self, value: bool) -> None:
        self._set("matmul", value)


class FakeMindSpore:
    """MindSpore as far as the adapter goes."""

    __version__ = "0.fake"
    __spec__ = ModuleSpec("mindspore", None)
    PYNATIVE_MODE, GRAPH_MODE, bfloat16 = 1, 0, "bfloat16"

    def __init__(self, device: FakeDevice) -> None:
        self.device, self.target = device, ""
        self.context: dict[str, Any] = {"deterministic": "OFF", "conv_allow_tf32": True, "matmul_allow_tf32": False}
        self.configured = False
        self.nn = SimpleNamespace(Cell=object, Scale=type("Scale", (FakeScale,), {"device": device}))
        self.runtime = SimpleNamespace(launch_blocking=self._block, synchronize=device.synchronise)
        self.hal = SimpleNamespace(get_device_name=lambda index, target: f"Fake {target} {index}")
        asked = {f"is_{kind}_allow_tf32_configured": lambda: self.configured for kind in ("conv", "matmul")}
        gpu = SimpleNamespace(GPUOpPrecisionConf=SimpleNamespace(get_instance=lambda: SimpleNamespace(**asked)))
        self.device_context = SimpleNamespace(
            ascend=SimpleNamespace(op_precision=FakePrecision(self)), gpu=SimpleNamespace(op_precision=gpu)
        )

    def _block(self) -> None:
        self.device.configure("launch_blocking()")

    def needs(self, target: str) -> None:
        if self.target != target:
            raise RuntimeError(f"{target} has not been chosen")

    def set_device(self, target: str) -> None:
        if self.target not in ("", target):
            raise RuntimeError("The 'mindspore.set_device' can not be modified.")
        self.device.configure(f"set_device({target})")
        self.target = target

    def set_deterministic(self, value: bool) -> None:
        self.device.once(f"set_deterministic({value})", "set_deterministic")
        self.context["deterministic"] = "ON" if value else "OFF"

    def set_context(self, **given: Any) -> None:
        for name, value in given.get("gpu_config", {}).items():
            self.needs("GPU")
            self.device.configure(f"{name} = {value}")
            self.context[name] = value

    def get_context(self, name: str) -> Any:
        return self.context[name]

    def Tensor(self, array: Array) -> FakeTensor:
        return FakeTensor(array, self.device)
