"""The adapters' device part against fakes of the vendors' interfaces; nothing here ran on an accelerator."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.backends import adapter_mindspore, adapter_torch
from harness.backends.pipeline import DeviceLost
from harness.protocol import Failure, Phase, Request, Step
from harness.tests.fakes.device import FakeDevice
from harness.tests.fakes.mindspore_fake import FakeMindSpore
from harness.tests.fakes.torch_fake import FakeTorch, FakeTorchNpu

X, WEIGHT = np.array([[1.0, 2.0, 3.0]], np.float32), np.array([2.0, 3.0, 4.0], np.float32)
KINDS = ("torch@gpu", "torch@ascend", "mindspore@gpu", "mindspore@ascend")


class Bench:
    """An adapter on a fake device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: str = "torch@gpu", *, modern: bool = True) -> None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is put back afterwards
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
        monkeypatch.setenv("MS_OM_PATH", "unused")
        monkeypatch.setattr(tempfile, "TemporaryDirectory", lambda prefix: SimpleNamespace(name=""))
        self.framework, _, self.kind = target.partition("@")
        self.device = FakeDevice()
        self.torch, self.npu = FakeTorch(self.device, modern=modern), FakeTorchNpu(self.device)
        self.mindspore = FakeMindSpore(self.device)
        modules = {"torch": self.torch, "torch.nn": self.torch.nn, "torch_npu": self.npu}
        modules |= {"mindspore": self.mindspore, "mindspore.nn": self.mindspore.nn}
        for name, module in modules.items():
            monkeypatch.setitem(sys.modules, name, module)

    def adapter(self) -> Any:
        module = adapter_torch if self.framework == "torch" else adapter_mindspore
        return module.Adapter(self.kind)

    @property
    def request(self) -> Request:
        return Request((Step(f"{self.framework}.nn.Scale"),), 0, (X,), {"weight": WEIGHT})


@pytest.fixture
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """On the target that a test names, or on a GPU by torch."""
    return Bench(monkeypatch, getattr(request, "param", "torch@gpu"))


everywhere = pytest.mark.parametrize("bench", KINDS, indirect=True)


def before(calls: Sequence[str], first: str, then: str) -> bool:
    """Whether both were called, and all of the first kind before any of the other."""
    places = [[index for index, call in enumerate(calls) if call.startswith(name)] for name in (first, then)]
    return bool(places[0] and places[1]) and max(places[0]) < min(places[1])


@everywhere
def test_the_output_is_computed_there_and_fetched(bench: Bench) -> None:
    seen = bench.adapter().observe(bench.request)
    assert seen.failure is None
    np.testing.assert_array_equal(seen.outputs["output"], X * WEIGHT)
    assert bench.device.calls.count("launch") == 1
    assert "fetch" in bench.device.calls


@pytest.mark.parametrize(("bench", "where"), [("torch@gpu", "cuda:0"), ("torch@ascend", "npu:0")], indirect=["bench"])
def test_tensors_and_modules_are_moved(bench: Bench, where: str) -> None:
    adapter = bench.adapter()
    layer = adapter.prepare(bench.torch.nn.Scale(), bench.request)
    assert layer.weight.data.where == adapter.to_tensor(X).where == where
    adapter.assign(layer, "weight", WEIGHT)
    assert layer.weight.data.where == where


def test_a_step_that_is_no_module_is_left_alone(bench: Bench) -> None:
    step = object()
    assert bench.adapter().prepare(step, bench.request) is step


@everywhere
def test_the_device_is_waited_for_before_anything_is_fetched(bench: Bench) -> None:
    bench.adapter().observe(bench.request)
    calls = bench.device.calls[bench.device.calls.index("launch") :]
    assert calls[1] == "synchronise"
    assert calls[-1] == "synchronise"
    assert before(calls[:-1], "launch", "fetch")


@everywhere
def test_an_asynchronous_error_belongs_to_its_own_trial(bench: Bench) -> None:
    adapter = bench.adapter()
    bench.device.failing = "the kernel failed"
    failed = adapter.observe(bench.request).failure
    assert failed == Failure(Phase.CALL, "RuntimeError", "the kernel failed")
    assert adapter.observe(bench.request).failure is None


@everywhere
def test_what_a_refused_call_left_under_way_is_not_the_next_ones(bench: Bench) -> None:
    adapter = bench.adapter()
    bench.device.failing = "the kernel failed"
    refused = adapter.observe(replace(bench.request, inputs=(X[:, :2],)))  # launched, and refused only then
    assert refused.failure.type == "ValueError"
    assert adapter.observe(bench.request).failure is None


@everywhere
def test_what_fails_before_anything_is_asked_is_no_answer(bench: Bench) -> None:
    adapter = bench.adapter()
    bench.device.failing = "the kernel failed"
    bench.device.launch()
    with pytest.raises(
        DeviceLost, match="an earlier call has left the device useless: RuntimeError: the kernel failed"
    ):
        adapter.observe(bench.request)


@everywhere
def test_a_device_that_stays_broken_answers_for_no_later_trial(bench: Bench) -> None:
    adapter = bench.adapter()
    bench.device.failing, bench.device.broken = "an illegal memory access", True
    assert adapter.observe(bench.request).failure.message == "an illegal memory access"
    for _ in range(2):
        with pytest.raises(DeviceLost, match="illegal memory access"):
            adapter.observe(bench.request)


@everywhere
def test_everything_is_set_before_the_first_operator(bench: Bench) -> None:
    bench.adapter().observe(bench.request)
    settings = [call for call in bench.device.calls if "set_" in call or "=" in call or "allow" in call]
    assert len(settings) >= 4
    assert bench.device.calls.index("launch") > max(map(bench.device.calls.index, settings))


SETTINGS = {
    "torch@gpu": [
        "use_deterministic_algorithms(True)",
        "set_device(0) with :4096:8",
        "matmul.fp32_precision = ieee",
        "conv.fp32_precision = ieee",
        "rnn.fp32_precision = ieee",
        "cudnn.benchmark = False",
    ],
    "torch@ascend": [
        "use_deterministic_algorithms(True)",
        "npu.set_device(0)",
        "npu.conv.allow_hf32 = False",
        "npu.matmul.allow_hf32 = False",
    ],
    "mindspore@gpu": [
        "set_device(GPU)",
        "set_deterministic(True)",
        "conv_allow_tf32 = False",
        "matmul_allow_tf32 = False",
        "launch_blocking()",
    ],
    "mindspore@ascend": [
        "set_device(Ascend)",
        "set_deterministic(True)",
        "conv_allow_hf32(False)",
        "matmul_allow_hf32(False)",
        "launch_blocking()",
    ],
}


@everywhere
def test_what_is_set_and_in_which_order(bench: Bench) -> None:
    bench.adapter()
    expected = SETTINGS[f"{bench.framework}@{bench.kind}"]
    assert [call for call in bench.device.calls if not call.startswith("set_num")] == expected


def test_older_torch_has_the_older_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, modern=False)
    assert bench.adapter().provenance()["tf32"] is False
    assert {"matmul.allow_tf32 = False", "cudnn.allow_tf32 = False"} <= set(bench.device.calls)
    assert not any("fp32_precision" in call for call in bench.device.calls)


EXPECTED: dict[str, dict[str, Any]] = {
    "torch@gpu": {"device_name": "Fake GPU 0", "tf32": False, "hf32": None, "cuda": "0.0-fake"},
    "torch@ascend": {"device_name": "Fake Ascend 0", "tf32": None, "hf32": False, "driver": "0.0.fake"},
    "mindspore@gpu": {"device_name": "Fake GPU 0", "tf32": False, "hf32": None},
    "mindspore@ascend": {"device_name": "Fake Ascend 0", "tf32": None, "hf32": False},
}


@everywhere
def test_the_provenance_tells_the_device_and_its_flags(bench: Bench) -> None:
    told = bench.adapter().provenance()
    expected = EXPECTED[f"{bench.framework}@{bench.kind}"]
    assert {name: told[name] for name in expected} == expected
    assert (told["device"], told["deterministic"], "driver" in told) == (bench.kind, True, True)


@pytest.mark.parametrize("flag", ["conv", "matmul"])
def test_tf32_that_torch_would_not_switch_off_is_told(bench: Bench, flag: str) -> None:
    backends = bench.torch.backends
    (backends.cudnn.conv if flag == "conv" else backends.cuda.matmul).stubborn = True
    assert bench.adapter().provenance()["tf32"] is True


@pytest.mark.parametrize("flag", ["conv", "matmul"])
@pytest.mark.parametrize("bench", ["torch@ascend"], indirect=True)
def test_hf32_that_is_switched_on_later_is_told(bench: Bench, flag: str) -> None:
    adapter = bench.adapter()
    getattr(bench.npu.npu, flag).allow_hf32 = True
    assert adapter.provenance()["hf32"] is True


@pytest.mark.parametrize("answer", ["", "1"])
@pytest.mark.parametrize("flag", ["conv", "matmul"])
@pytest.mark.parametrize("bench", ["mindspore@ascend"], indirect=True)
def test_hf32_that_mindspore_did_not_switch_off_is_told(bench: Bench, flag: str, answer: str) -> None:
    adapter = bench.adapter()
    setattr(bench.mindspore.device_context.ascend.op_precision, flag, answer)
    assert adapter.provenance()["hf32"] is True


@pytest.mark.parametrize("bench", ["mindspore@gpu"], indirect=True)
def test_tf32_that_mindspore_does_not_tell_is_unknown(bench: Bench) -> None:
    adapter = bench.adapter()
    bench.mindspore.context["conv_allow_tf32"] = True
    assert adapter.provenance()["tf32"] is True
    bench.mindspore.configured = True
    assert adapter.provenance()["tf32"] == "unknown"


@pytest.mark.parametrize("bench", ["mindspore@ascend"], indirect=True)
def test_both_modes_share_the_device(bench: Bench) -> None:
    bench.adapter()
    adapter_mindspore.Adapter("ascend", "graph")
    assert sum(call.startswith("set_deterministic") for call in bench.device.calls) == 1


@pytest.mark.parametrize("bench", ["mindspore@ascend"], indirect=True)
def test_a_process_has_one_device(bench: Bench) -> None:
    bench.adapter()
    with pytest.raises(RuntimeError, match=r"no GPU here \(a process has one device.*can not be modified"):
        adapter_mindspore.Adapter("gpu")
