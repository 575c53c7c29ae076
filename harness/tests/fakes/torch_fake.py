"""FakeTorch, its CUDA half, and FakeTorchNpu: the interfaces that the adapter uses, and their rules.

Fakes after torch's documentation of ``torch.backends`` and ``torch.cuda``, and after that of ``torch_npu``.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from harness.model import Array
from harness.tests.fakes.device import FakeDevice, FakeLayer, FakeTensor


class Flags:
    """Settings of which every change is noted, with what they are at first; ``stubborn`` ones stay as they are."""

    _name: str
    _device: FakeDevice
    stubborn: bool

    def __init__(self, name: str, device: FakeDevice, **initial: Any) -> None:
        self.__dict__.update(initial, _name=name, _device=device, stubborn=False)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__:
            raise AttributeError(f"{self._name} has no {name}")
        if name != "stubborn":
            self._device.configure(f"{self._name}.{name} = {value}")
            if self.stubborn:
                return
        self.__dict__[name] = value


class FakeTorch:
    """torch as far as the adapter goes: ``modern`` ones have ``fp32_precision``, and refuse the flags before it."""

    __version__ = "0.fake"
    bfloat16, int16 = "bfloat16", "int16"

    def __init__(self, device: FakeDevice, *, modern: bool = True) -> None:
        self.device, self._deterministic = device, False
        self.version = SimpleNamespace(cuda="0.0-fake")
        self.nn = SimpleNamespace(Scale=type("Scale", (FakeLayer,), {"device": device}))
        kinds = {"fp32_precision": "none"} if modern else {"allow_tf32": True}
        whole = {"benchmark": True} if modern else {"benchmark": True, "allow_tf32": True}
        cudnn = Flags("cudnn", device, **whole, conv=Flags("conv", device, **kinds), rnn=Flags("rnn", device, **kinds))
        matmul = Flags("matmul", device, **kinds)
        mkldnn = SimpleNamespace(is_available=lambda: False)
        self.backends = SimpleNamespace(cudnn=cudnn, cuda=SimpleNamespace(matmul=matmul), mkldnn=mkldnn)
        if modern:
            self.backends.fp32_precision = "none"
        self.cuda = SimpleNamespace(
            set_device=self._choose,
            synchronize=device.synchronise,
            get_device_name=lambda index: f"Fake GPU {index}",
        )

    def _choose(self, index: int) -> None:
        workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
        self.device.once(f"set_device({index}) with {workspace}", "set_device")

    def set_num_threads(self, threads: int) -> None:
        self.device.configure(f"set_num_threads({threads})")

    def get_num_threads(self) -> int:
        return 1

    def use_deterministic_algorithms(self, mode: bool) -> None:
        self.device.configure(f"use_deterministic_algorithms({mode})")
        self._deterministic = mode

    def are_deterministic_algorithms_enabled(self) -> bool:
        return self._deterministic

    def from_numpy(self, array: Array) -> FakeTensor:
        return FakeTensor(array, self.device)


class FakeTorchNpu:
    """torch_npu as documented: HF32 is on for convolutions, off for products of matrices, until it is set."""

    __version__ = "0.fake-npu"

    def __init__(self, device: FakeDevice) -> None:
        self.npu = SimpleNamespace(
            set_device=lambda index: device.once(f"npu.set_device({index})", "npu.set_device"),
            conv=Flags("npu.conv", device, allow_hf32=True),
            matmul=Flags("npu.matmul", device, allow_hf32=False),
            synchronize=device.synchronise,
            get_device_name=lambda index: f"Fake Ascend {index}",
        )
        self.utils = SimpleNamespace(get_cann_version=lambda module="CANN": "0.0.fake")
