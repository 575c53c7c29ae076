"""MindSpore's devices: how each is set up for comparison, and what is read back of it.

After MindSpore's API documentation (mindspore.set_device, set_deterministic, device_context) and the sources of its
device contexts. What is recorded is what MindSpore answers afterwards, never what was asked of it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Dict, Mapping, Type

from harness.backends import accelerator

# Where a flag was set in a way that MindSpore does not let anyone read.
UNKNOWN = "unknown"


class Cpu:
    """The processor: nothing to wait for, since launches block."""

    name = "CPU"

    def __init__(self, mindspore: Any) -> None:
        """Keep MindSpore, whose device has been chosen."""
        self.mindspore = mindspore

    def synchronise(self) -> None:
        """Wait until the device has done all that it was given. Raises what failed there."""

    def told(self) -> Dict[str, Any]:
        """What can be read back: name, driver, determinism, whether factors of float32 products are shortened."""
        return {"device_name": None, "driver": None, "deterministic": None, "tf32": None, "hf32": None}


class _Accelerator(Cpu):
    """What both kinds of accelerator have in common."""

    def __init__(self, mindspore: Any) -> None:
        """Make the device deterministic; before the first operator, and once a process."""
        super().__init__(mindspore)
        if not self._deterministic():
            mindspore.set_deterministic(True)

    def _deterministic(self) -> bool:
        return bool(self.mindspore.get_context("deterministic") == "ON")

    def synchronise(self) -> None:
        """See :class:`Cpu`."""
        self.mindspore.runtime.synchronize()

    def told(self) -> Dict[str, Any]:
        """See :class:`Cpu`."""
        return {**super().told(), "device_name": self._called, "deterministic": self._deterministic()}

    @cached_property
    def _called(self) -> Any:
        return self.mindspore.hal.get_device_name(0, self.name)

    @cached_property
    def _driver(self) -> Any:
        return accelerator.nvidia_driver() if self.name == "GPU" else accelerator.cann()


class Gpu(_Accelerator):
    """One NVIDIA GPU."""

    name = "GPU"

    def __init__(self, mindspore: Any) -> None:
        """Switch TF32 off, the older way of two: what ``device_context.gpu.op_precision`` sets nobody can read."""
        super().__init__(mindspore)
        mindspore.set_context(gpu_config={"conv_allow_tf32": False, "matmul_allow_tf32": False})

    def told(self) -> Dict[str, Any]:
        """See :class:`Cpu`."""
        return {**super().told(), "driver": self._driver, "tf32": self._tf32()}

    def _tf32(self) -> Any:
        own = self.mindspore.device_context.gpu.op_precision.GPUOpPrecisionConf.get_instance()
        if own.is_conv_allow_tf32_configured() or own.is_matmul_allow_tf32_configured():
            return UNKNOWN  # it comes before the context, and has setters only
        return any(self.mindspore.get_context(f"{kind}_allow_tf32") for kind in ("conv", "matmul"))


class Ascend(_Accelerator):
    """One Ascend device."""

    name = "Ascend"

    def __init__(self, mindspore: Any) -> None:
        """Switch HF32 off, which CANN has on for convolutions."""
        super().__init__(mindspore)
        precision = mindspore.device_context.ascend.op_precision
        precision.conv_allow_hf32(False)
        precision.matmul_allow_hf32(False)

    def told(self) -> Dict[str, Any]:
        """See :class:`Cpu`. An empty answer leaves it to CANN, which allows it for convolutions."""
        own = self.mindspore.device_context.ascend.op_precision.AscendOpPrecisionConf.get_instance()
        off = own.conv_allow_hf32() == "0" and own.matmul_allow_hf32() == "0"
        return {**super().told(), "driver": self._driver, "hf32": not off}


DEVICES: Mapping[str, Type[Cpu]] = {"cpu": Cpu, "gpu": Gpu, "ascend": Ascend}


def choose(mindspore: Any, device: str) -> Cpu:
    """Choose the process's one device and set it up. Raises RuntimeError where that cannot be."""
    kind = DEVICES[device]
    try:
        if hasattr(mindspore, "set_device"):
            mindspore.set_device(kind.name)
        else:  # before 2.5
            mindspore.set_context(device_target=kind.name)
    except RuntimeError as error:
        about = "a process has one device"
        if device == "gpu":
            about += f", and the plugins here are for CUDA {' and '.join(accelerator.mindspore_plugins(device))}"
        raise RuntimeError(f"no {kind.name} here ({about}): {' '.join(str(error).split())}") from error
    return kind(mindspore)


def launch_blocking(mindspore: Any) -> None:
    """Have an error raised where it arises; the processor's launches then need not be waited for either."""
    if hasattr(getattr(mindspore, "runtime", None), "launch_blocking"):
        mindspore.runtime.launch_blocking()
    else:  # before 2.5
        mindspore.set_context(pynative_synchronize=True)
