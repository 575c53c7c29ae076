"""What keeps a target from running is told without importing a framework, each reason with its remedy."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from harness.backends import accelerator, adapter_mindspore, adapter_torch, targets
from harness.commands import doctor
from harness.model import Target

VERSION = "__version__ = '{version}'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = None\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without devices, frameworks or drivers, in a folder."""
    for name in ("dev", "torch", "mindspore/lib/plugin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "torch" / "version.py").write_text(VERSION.format(version="9.9.0+cpu", cuda=None))
    monkeypatch.setattr(accelerator, "DEVICE_FILES", str(tmp_path / "dev"))
    monkeypatch.setattr(accelerator, "NVIDIA_DRIVER", tmp_path / "version")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    installed = ("torch", "mindspore")
    monkeypatch.setattr(accelerator, "folder", lambda name: tmp_path / name if name in installed else None)
    for name in ("CUDA_VISIBLE_DEVICES", "ASCEND_HOME_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def give(machine: Path, *files: str) -> None:
    for file in files:
        (machine / file).touch()


NO_GPU = "no NVIDIA GPU here (no {dev}/nvidia*, no nvidia-smi); use a machine that has one, with its driver"
NO_ASCEND = "no Ascend device here (no {dev}/davinci*); use a machine that has one, with its driver and CANN"


def test_torch_on_a_gpu_needs_its_build_and_a_gpu(machine: Path) -> None:
    build = "this torch (9.9.0+cpu) is built without CUDA; install a build with CUDA, as pytorch.org/get-started says"
    gpu = NO_GPU.format(dev=machine / "dev")
    assert adapter_torch.lacking("gpu") == f"{build}; {gpu}"
    give(machine, "dev/nvidia0")
    assert adapter_torch.lacking("gpu") == build
    (machine / "torch" / "version.py").write_text(VERSION.format(version="9.9.0", cuda="'12.8'"))
    assert adapter_torch.lacking("gpu") is None
    (machine / "dev" / "nvidia0").unlink()
    assert adapter_torch.lacking("gpu") == gpu


def test_a_device_file_of_another_kind_is_no_gpu(machine: Path) -> None:
    give(machine, "dev/nvidiactl", "dev/nvidia-uvm", "dev/davinci_manager")
    assert accelerator.no_gpu()
    assert accelerator.no_ascend()


@pytest.mark.parametrize(("visible", "hidden"), [("", True), ("-1", True), ("0", False), ("1,2", False)])
def test_hidden_gpus_are_named(machine: Path, monkeypatch: pytest.MonkeyPatch, visible: str, hidden: bool) -> None:
    give(machine, "dev/nvidia0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    reason = accelerator.no_gpu()
    assert (reason is not None) is hidden
    assert not hidden or "unset it" in str(reason)


def test_the_drivers_command_tells_where_there_are_no_files(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert accelerator.no_gpu() is None


def test_torch_on_ascend_needs_its_extension_and_a_device(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = "torch_npu is not installed; install it with: python -m pip install 'torch-npu>=2.13,<2.14'"
    device = NO_ASCEND.format(dev=machine / "dev")
    assert adapter_torch.lacking("ascend") == f"{package}; {device}"
    give(machine, "dev/davinci3")
    assert adapter_torch.lacking("ascend") == package  # that torch is built without CUDA is as it should be
    monkeypatch.setattr(accelerator, "folder", lambda name: machine)
    assert adapter_torch.lacking("ascend") is None


def test_mindspore_needs_its_plugin_and_a_device(machine: Path) -> None:
    for device in ("gpu", "ascend"):
        assert f"this MindSpore has no plugin for {device}; install a wheel" in str(adapter_mindspore.lacking(device))
    plugins = [f"mindspore/lib/plugin/libmindspore_{name}" for name in ("gpu.so.11.6", "gpu.so.11.1", "ascend.so.2")]
    give(machine, *plugins)
    assert adapter_mindspore.lacking("gpu") == NO_GPU.format(dev=machine / "dev") + " and CUDA 11.1 or CUDA 11.6"
    assert adapter_mindspore.lacking("ascend") == NO_ASCEND.format(dev=machine / "dev")
    give(machine, "dev/nvidia0", "dev/davinci0")
    assert adapter_mindspore.lacking("gpu") is adapter_mindspore.lacking("ascend") is None


def test_the_processor_lacks_nothing(machine: Path) -> None:
    assert adapter_torch.lacking("cpu") is adapter_mindspore.lacking("cpu") is None


@pytest.mark.parametrize("framework", ["torch", "mindspore"])
@pytest.mark.parametrize("device", ["gpu", "ascend"])
def test_a_target_that_lacks_something_does_not_run(machine: Path, framework: str, device: str) -> None:
    loaded = set(sys.modules)
    target = Target(framework, device)
    reason = targets.obstacle(target)
    if targets.obstacle(Target(framework, "cpu")):
        pytest.skip(f"needs {framework}")
    assert reason
    assert doctor.examine(target, quick=False)["reason"] == reason
    assert doctor.examine(target, quick=False)["runs"] is False
    assert reason.endswith(("with its driver", "with its driver and CANN"))
    assert not (set(sys.modules) - loaded) & {"torch", "torch_npu", "mindspore"}


def test_versions_are_read_where_the_vendors_write_them(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert accelerator.nvidia_driver() is accelerator.cann() is None
    told = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 2023\nGCC version: 12.3.0\n"
    (machine / "version").write_text(told)
    assert accelerator.nvidia_driver() == "535.104.05"
    (machine / "version").write_text(told.replace("Kernel Module", "Open Kernel Module for x86_64"))
    assert accelerator.nvidia_driver() == "535.104.05"
    (machine / "compiler").mkdir()
    (machine / "compiler" / "version.info").write_text("Version=8.5.0\nversion_dir=8.5.0\n")
    monkeypatch.setenv("ASCEND_HOME_PATH", str(machine))
    assert accelerator.cann() == "8.5.0"
