"""torch's devices: how each is set up for comparison, and what is read back of it.

After the vendors' documentation of torch.backends (pytorch.org) and of torch_npu (hiascend.com, Ascend Extension for
PyTorch). What is recorded is what the frameworks answer afterwards, never what was asked of them.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Dict, Mapping, Type

from harness.backends import accelerator


class Cpu:
    """The processor: nothing to move, nothing to wait for."""

    where = "cpu"

    def __init__(self, torch: Any) -> None:
        """Keep torch."""
        self.torch = torch

    def synchronise(self) -> None:
        """Wait until the device has done all that it was given. Raises what failed there."""

    def told(self) -> Dict[str, Any]:
        """What can be read back: name, driver, and whether factors of float32 products are shortened."""
        return {"device_name": None, "driver": None, "tf32": None, "hf32": None}


class Gpu(Cpu):
    """One NVIDIA GPU, the first of those that are visible."""

    where = "cuda:0"

    def __init__(self, torch: Any) -> None:
        """Choose the device, switch TF32 off, and have cuDNN choose by shape and not by time."""
        super().__init__(torch)
        # cuBLAS reads it when the first context is made; without it torch refuses to be deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.cuda.set_device(0)
        self._shortened(False)
        torch.backends.cudnn.benchmark = False
        self._about = {
            "device_name": torch.cuda.get_device_name(0),
            "driver": accelerator.nvidia_driver(),
            "cuda": torch.version.cuda,
        }

    def _shortened(self, allowed: bool) -> None:
        backends, word = self.torch.backends, "tf32" if allowed else "ieee"
        if self._new:
            # All of cuDNN alike, or torch takes the flags for a mixture of the old interface and the new.
            for each in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn):
                each.fp32_precision = word
        else:
            backends.cuda.matmul.allow_tf32 = allowed
            backends.cudnn.allow_tf32 = allowed

    @property
    def _new(self) -> bool:
        # Since torch 2.9. To ask or set the older flags as well is an error there.
        return hasattr(self.torch.backends, "fp32_precision")

    def synchronise(self) -> None:
        """See :class:`Cpu`."""
        self.torch.cuda.synchronize()

    def told(self) -> Dict[str, Any]:
        """See :class:`Cpu`. Anything but ``ieee`` allows TF32, or leaves it to a default."""
        backends = self.torch.backends
        if self._new:
            tf32 = any(each.fp32_precision != "ieee" for each in (backends.cuda.matmul, backends.cudnn.conv))
        else:
            tf32 = bool(backends.cuda.matmul.allow_tf32 or backends.cudnn.allow_tf32)
        return {**self._about, "tf32": tf32, "hf32": None}


class Ascend(Cpu):
    """One Ascend device, the first of those that are visible, by torch_npu."""

    where = "npu:0"

    def __init__(self, torch: Any) -> None:
        """Import torch_npu, choose the device and switch HF32 off, which is on for convolutions."""
        super().__init__(torch)
        self.extension = importlib.import_module("torch_npu")
        self.npu = self.extension.npu
        self.npu.set_device(0)
        self.npu.conv.allow_hf32 = False
        self.npu.matmul.allow_hf32 = False
        self._about = {
            "device_name": self.npu.get_device_name(0),
            "driver": self._cann(),
            "torch_npu": self.extension.__version__,
        }

    def synchronise(self) -> None:
        """See :class:`Cpu`."""
        self.npu.synchronize()

    def told(self) -> Dict[str, Any]:
        """See :class:`Cpu`."""
        hf32 = bool(self.npu.conv.allow_hf32 or self.npu.matmul.allow_hf32)
        return {**self._about, "tf32": None, "hf32": hf32}

    def _cann(self) -> Any:
        # It is empty for CANN older than 8.1, and older releases of torch_npu have no such function.
        asked = getattr(self.extension.utils, "get_cann_version", None)
        return (asked() if asked else "") or accelerator.cann()


DEVICES: Mapping[str, Type[Cpu]] = {"cpu": Cpu, "gpu": Gpu, "ascend": Ascend}
