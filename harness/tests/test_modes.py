"""Graph mode is compiled and not interpreted: what only an interpreter would do does not happen there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness import environment
from harness.backends import targets
from harness.model import Target
from harness.protocol import Request, Step

# As a framework's layer is found: by its dotted name.
PROBE = """
import mindspore

seen = []


class Probe(mindspore.nn.Cell):
    def __init__(self):
        super().__init__()
        self.weight = mindspore.Parameter(mindspore.Tensor([2.0], mindspore.float32), name="weight")

    def construct(self, x):
        seen.append("interpreted")
        return x * self.weight


def twice(x, by):
    seen.append("interpreted")
    return x * by
"""


@pytest.mark.parametrize(("mode", "interpreted"), [("", True), ("graph", False)])
@pytest.mark.parametrize("steps", [("Probe",), ("Probe", "twice"), ("twice", "Probe")], ids="-".join)
def test_only_the_plain_mode_runs_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, interpreted: bool, steps: tuple[str, ...]
) -> None:
    environment.prepare(1)
    module = f"probe_{mode or 'plain'}_{'_'.join(steps)}".lower()
    (tmp_path / f"{module}.py").write_text(PROBE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    calls = tuple(Step(f"{module}.{name}", {} if name == "Probe" else {"by": 3.0}) for name in steps)
    x, weights = np.array([[1.0, -2.0]], np.float32), np.array([[5.0, 7.0]], np.float32)
    request = Request(calls, steps.index("Probe"), (x,), None, cotangent=weights)
    seen = targets.backend(Target("mindspore", "cpu", mode), 1).observe(request)
    assert seen.failure is None
    factor = 2.0 * (3.0 if "twice" in steps else 1.0)
    np.testing.assert_array_equal(seen.outputs["output"], factor * x)
    np.testing.assert_array_equal(seen.outputs["grad.0"], factor * weights)
    np.testing.assert_array_equal(seen.outputs["grad.weight"], [factor / 2 * (5.0 - 14.0)])
    assert bool(__import__(module).seen) == interpreted
    assert not (tmp_path / "rank_0").exists()


@pytest.mark.parametrize("mode", ["", "graph"])
def test_a_layer_without_parameters_is_differentiated_in_either_mode(mode: str) -> None:
    environment.prepare(1)
    x, weights = np.array([[1.0, -2.0]], np.float32), np.array([[5.0, 7.0]], np.float32)
    request = Request((Step("mindspore.nn.ReLU"),), 0, (x,), {}, cotangent=weights)
    seen = targets.backend(Target("mindspore", "cpu", mode), 1).observe(request)
    assert seen.failure is None
    np.testing.assert_array_equal(seen.outputs["grad.0"], [[5.0, 0.0]])


def test_a_layer_in_place_is_differentiated_by_its_input() -> None:
    x = np.array([[1.0, -2.0]], np.float32)
    request = Request((Step("torch.nn.ReLU", {"inplace": True}),), 0, (x,), {}, cotangent=np.full_like(x, 3))
    seen = targets.backend(Target("torch", "cpu"), 1).observe(request)
    assert seen.failure is None
    np.testing.assert_array_equal(seen.outputs["grad.0"], [[3.0, 0.0]])


@pytest.mark.parametrize(("first", "second"), [({"kernel_size": 2}, {"kernel_size": 1}), ({"has_bias": True}, {})])
def test_another_call_is_compiled_anew(first: dict[str, object], second: dict[str, object]) -> None:
    backend = targets.backend(Target("mindspore", "cpu", "graph"), 1)
    common = {"in_channels": 1, "out_channels": 1, "kernel_size": 1, "pad_mode": "valid"}
    for own in (first, second):
        step = Step("mindspore.nn.Conv1d", {**common, **own})
        size = int(str(step.kwargs["kernel_size"]))
        state = {"weight": np.full((1, 1, 1, size), 2.0, np.float32)}
        state |= {"bias": np.ones(1, np.float32)} if "has_bias" in own else {}
        x = np.ones((1, 1, 3), np.float32)
        seen = backend.observe(Request((step,), 0, (x,), state))
        assert seen.failure is None
        np.testing.assert_array_equal(seen.outputs["output"], np.full((1, 1, 4 - size), 2.0 * size + ("bias" in state)))


@pytest.mark.parametrize("mode", ["", "graph"])
@pytest.mark.parametrize("padding", ["same", 1])
def test_an_operator_that_is_not_registered_here_is_unsupported(mode: str, padding: object) -> None:
    step = Step("mindspore.mint.nn.Conv2d", {"padding": padding}, (1, 1, 3))
    request = Request((step,), 0, (np.ones((1, 1, 5, 5), np.float32),), None)
    failure = targets.backend(Target("mindspore", "cpu", mode), 1).observe(request).failure
    assert failure is not None
    assert failure.unsupported, failure.message
