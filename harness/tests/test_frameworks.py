"""A small real run: both frameworks, through the public interface."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import dtypes, fills, plan
from harness.backends import adapter_mindspore, targets
from harness.inputs import integers
from harness.model import Case, Lane, Target, Trial, Verdict
from harness.protocol import Phase, Request, Step
from harness.records import read
from harness.requests import Tensors, from_side, own_name, request, to_side
from harness.runner import run

ROOT = Path(__file__).parents[2]
TORCH, MINDSPORE = Target("torch", "cpu"), Target("mindspore", "cpu")
LAYERS = ("conv1d", "conv2d", "conv1d_transpose", "conv2d_transpose")

pytestmark = pytest.mark.skipif(
    any(targets.obstacle(target) for target in (TORCH, MINDSPORE)), reason="needs both frameworks on the CPU"
)


def conformance(*arguments: str, results: Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "--results", str(results), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    results = tmp_path_factory.mktemp("smoke")
    return conformance("-n", "2", "--tier", "smoke", "cases", results=results), results


def test_the_smoke_tier_is_as_expected(smoke: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, results = smoke
    assert done.returncode == 0, done.stdout
    run = read(results)
    assert not run.problems
    layers = Counter(record["layer"] for record in run.trials)
    assert set(layers) == {"Conv1d", "Conv2d", "Conv1dTranspose", "Conv2dTranspose"}
    assert min(layers.values()) >= 40
    assert {record["check"] for record in run.trials} == {"output", "signature", "state", "round_trip", "init"}
    outputs = [record for record in run.trials if record["check"] == "output" and record["expected"] == "equal"]
    outputs = [record for record in outputs if record["status"] == "as_expected"]
    assert len(outputs) >= 200
    assert {record["verdict"] for record in outputs} == {"bitwise", "within_bound"}
    assert all(record["adjudicator"] == "numpy" for record in outputs)
    compared = [each for record in outputs for each in record["comparisons"]]
    exact = [each for each in compared if each["lane"] == "exact" and not each["against"]]
    assert sum(each["tensor"] == "output" for each in exact) == len(outputs)
    assert {"grad.x", "grad.weight", "grad.bias", "grad2.weight"} <= {each["tensor"] for each in exact}
    assert all(each["max_abs"] == 0 for each in exact)


def test_the_header_says_what_ran(smoke: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    header = read(smoke[1]).header
    assert header["targets"]["torch@cpu"]["threads"] == 1
    assert header["targets"]["mindspore@cpu"]["launch_blocking"] is True
    assert header["targets"]["mindspore@cpu"]["threads"] == "1"
    assert header["selected"] == "all"
    assert (smoke[1] / "report.html").exists()


def test_a_divergence_is_red_until_it_is_known(tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    shutil.copytree(ROOT / "cases", cases)
    family = ("cases/conv2d_transpose.yaml::example-4", "cases/conv2d_transpose.yaml::example-2")
    accepted = conformance(*family, results=tmp_path / "known", cwd=tmp_path)
    assert accepted.returncode == 0, accepted.stdout
    assert all(record["status"] == "known" for record in read(tmp_path / "known").trials)
    (cases / "known.yaml").unlink()
    bare = conformance(*family, results=tmp_path / "bare", cwd=tmp_path)
    assert bare.returncode == 1
    records = read(tmp_path / "bare").trials
    assert {record["status"] for record in records} == {"new"}
    assert {record["disagrees"] for record in records} == {"subject"}
    assert any(record["reproducer"] in bare.stdout for record in records), "that of the smallest trial of a class"


def test_a_reproducer_says_what_the_record_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "cases", tmp_path / "cases")
    conformance("cases/conv1d_transpose.yaml::example-2", results=tmp_path / "out", cwd=tmp_path)
    record = read(tmp_path / "out").trials[0]
    command = [sys.executable, *shlex.split(record["reproducer"])[1:], "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    again = json.loads(done.stdout)
    for name in ("verdict", "diagnosis", "disagrees", "inputs"):
        assert again[name] == record[name]
    assert again["comparisons"] == record["comparisons"]


def test_the_layer_of_the_readme_is_data_alone(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?layer: Dense.*?)```", text, re.DOTALL)
    assert found
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "dense.yaml").write_text(found[1], encoding="utf-8")
    done = conformance("cases/dense.yaml", results=tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    records = read(tmp_path / "out").trials
    subjects = Counter(record["subject"] for record in records)
    assert subjects["mindspore@cpu"] == 12
    assert 0 < subjects["mindspore@cpu:graph"] < 12
    assert {record["verdict"] for record in records} <= {"bitwise", "within_bound"}
    assert {record["adjudicator"] for record in records} == {"torch@cpu float64"}


def test_a_layer_that_differs_is_told_apart(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    dense = re.search(r"```yaml\n(.*?layer: Dense.*?)```", text, re.DOTALL)
    assert dense
    (tmp_path / "cases").mkdir()
    wrong = dense[1].replace("has_bias: =bias}", "has_bias: =bias, activation: relu}")
    (tmp_path / "cases" / "dense.yaml").write_text(wrong, encoding="utf-8")
    assert conformance("cases/dense.yaml", results=tmp_path / "out", cwd=tmp_path).returncode == 1
    verdicts = {record["verdict"] for record in read(tmp_path / "out").trials}
    assert "value" in verdicts


def compare(*arguments: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "harness", "compare", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout or "{}")


def test_a_layer_that_is_no_sum_asks_for_a_tolerance() -> None:
    pooling = ("torch.nn.AvgPool2d(3)", "mindspore.nn.AvgPool2d(3, 3)", "--input", "2,3,9,12")
    code, record = compare(*pooling)
    assert (code, record["verdict"]) == (1, "weak")
    assert "tolerance" in record["note"]
    code, record = compare(*pooling, "--rtol", "1e-6", "--atol", "1e-7")
    assert code == 0
    assert {each["lane"] for each in record["comparisons"]} == {"rounding"}


def test_compare_takes_what_a_trial_expects() -> None:
    same = ("torch.nn.Linear(3, 4)", "mindspore.nn.Dense(3, 4)", "--input", "2,3")
    assert compare(*same)[0] == 0
    assert compare(*same, "--expect", "different")[0] == 1
    assert compare(*same, "--output-shape", "2,4")[0] == 0
    assert compare(*same, "--output-shape", "2,5")[0] == 1
    assert compare("torch.nn.Liner(3, 4)", "mindspore.nn.Dense(3, 4)", "--input", "2,3") == (2, {})


def _cases(stem: str) -> list[Case]:
    file = plan.load_case_file(ROOT / "cases" / f"{stem}.yaml")
    families = [family for family in file.families if family.name in ("bias", "groups")]
    return [case for family in families for case in family.cases()]


def _tensors(case: Case) -> Tensors:
    # Every bit pattern has to survive: not a number, infinities, the smallest subnormal and minus zero among them.
    special = np.array([np.nan, np.inf, -np.inf, 1e-45, -0.0], np.float32)
    state = {}
    for parameter in case.state:
        values = integers(f"{case.id}|{parameter.name}", parameter.shape, 1 << 23).astype(np.float32).ravel()
        count = min(len(special), len(values))
        values[:count] = special[:count]
        state[parameter.name] = values.reshape(parameter.shape)
    return Tensors({name: np.ones(shape, np.float32) for name, shape in case.inputs.items()}, state)


@pytest.mark.parametrize("stem", LAYERS)
def test_weights_survive_the_round_trip(stem: str) -> None:
    torch, mindspore = (targets.backend(target, 1) for target in (TORCH, MINDSPORE))
    for case in _cases(stem):
        tensors = _tensors(case)
        there = _loaded(torch, case, "torch", tensors.state)
        across = _loaded(mindspore, case, "mindspore", there)
        back = _loaded(torch, case, "torch", across)
        for name, array in tensors.state.items():
            assert back[name].tobytes() == array.tobytes(), (case.id, name)
            assert back[name].shape == array.shape


def _loaded(backend: Any, case: Case, framework: str, state: Mapping[str, Any]) -> dict[str, Any]:
    side = case.sides[framework]
    layer = backend.resolve(side.steps[side.layer].call)(**side.steps[side.layer].kwargs)
    for parameter in case.state:
        name = own_name(parameter, framework)
        backend.assign(layer, name, to_side(parameter, framework, state[parameter.name]))
    return {
        parameter.name: from_side(parameter, framework, backend.read(layer, own_name(parameter, framework)))
        for parameter in case.state
    }


# -- dtypes ------------------------------------------------------------------------------------------------------------

# Ordinary numbers, infinities, minus zero, the smallest and the largest; and not a number.
VALUES = [1.0, -3.5, np.inf, -np.inf, -0.0, np.nan]


@pytest.mark.parametrize("target", [TORCH, MINDSPORE], ids=str)
@pytest.mark.parametrize("name", [*dtypes.NAMES, "int64", "int32", "bool"])
def test_every_bit_survives_the_way_to_a_tensor_and_back(target: Target, name: str) -> None:
    backend: Any = targets.backend(target, 1)
    kind = dtypes.dtype(name)
    real = name in dtypes.NAMES
    extremes = [dtypes.smallest_subnormal(name), -dtypes.largest(name)] if real else []
    array = np.array([[*VALUES, *extremes]] if real else [[0, 1], [1, 0]]).astype(kind)
    tensor = backend.to_tensor(array)
    assert name in str(tensor.dtype).lower()
    back = backend.to_array(tensor)
    assert (back.dtype, back.shape, back.tobytes()) == (kind, array.shape, array.tobytes())
    array[...] = 0
    assert backend.to_array(tensor).tobytes() == back.tobytes()


@pytest.mark.parametrize("target", [TORCH, MINDSPORE], ids=str)
@pytest.mark.parametrize(("x", "weight"), [("float32", "float16"), ("float16", "bfloat16"), ("bfloat16", "float64")])
def test_mixed_dtypes_stay_mixed(target: Target, x: str, weight: str) -> None:
    backend: Any = targets.backend(target, 1)
    [case] = [each for each in _cases("conv1d") if "bias=false" in each.id][:1]
    tensors = fills.integers(case, fills.SMALLEST, None)
    own = {"x": x, "weight": weight}
    asked = request(
        case, target.framework, tensors.map_named(lambda name, array: array.astype(dtypes.dtype(own[name])))
    )
    loaded = backend.observe(replace(asked, want="state"))
    assert {name: array.dtype for name, array in loaded.outputs.items()} == {"weight": dtypes.dtype(weight)}
    refused = backend.observe(asked).failure
    assert refused is not None
    assert refused.phase in (Phase.CALL, Phase.FETCH)


# -- derivatives -------------------------------------------------------------------------------------------------------

DERIVED = [
    Step("torch.nn.Conv1d", {}, (4, 6, 3, 2, 2)),
    Step("torch.nn.Conv1d", {"padding": "same", "dilation": 2, "padding_mode": "reflect"}, (4, 6, 3)),
    Step("torch.nn.Conv1d", {"groups": 2, "bias": False, "stride": 3}, (4, 6, 2)),
    Step("torch.nn.Conv1d", {"padding": 3, "padding_mode": "circular"}, (4, 2, 3)),
    Step("torch.nn.Conv2d", {"stride": (2, 3), "padding": (1, 2)}, (4, 6, (3, 2))),
    Step("torch.nn.Conv2d", {"dilation": (1, 2), "groups": 4}, (4, 8, 2)),
    Step("torch.nn.Conv2d", {"padding": 2, "padding_mode": "replicate", "stride": 2}, (4, 2, 3)),
    Step("torch.nn.ConvTranspose1d", {"padding": 1, "output_padding": 1}, (4, 6, 3, 2)),
    Step("torch.nn.ConvTranspose1d", {"dilation": 3, "output_padding": 2, "bias": False}, (4, 6, 2)),
    Step("torch.nn.ConvTranspose1d", {"stride": 3, "groups": 2}, (4, 6, 2)),
    Step("torch.nn.ConvTranspose2d", {"stride": (2, 3), "padding": (1, 0), "output_padding": (0, 2)}, (4, 6, (3, 2))),
    Step("torch.nn.ConvTranspose2d", {"dilation": (1, 2), "padding": 2, "groups": 2}, (4, 2, 3)),
]


@pytest.mark.parametrize("batch", [True, False], ids=["batch", "sample"])
@pytest.mark.parametrize("step", DERIVED, ids=str)
def test_the_adjudicators_derivatives_are_those_of_torch(step: Step, batch: bool) -> None:
    torch, adjudicator = (targets.backend(target, 1) for target in (TORCH, Target("numpy", "cpu")))
    random = np.random.default_rng(7)
    shape = ((2, 4, 6, 7) if "2d" in step.call else (2, 4, 9))[0 if batch else 1 :]
    x, tangent = random.standard_normal((2, *shape))
    bare = Request((step,), 0, (x,), None)
    state = torch.observe(replace(bare, want="state")).outputs
    state = {name: random.standard_normal(array.shape) for name, array in state.items()}
    loaded = replace(bare, state=state)
    cotangent = random.standard_normal(torch.observe(loaded).outputs["output"].shape)
    asked = replace(loaded, cotangent=cotangent, tangents=(tangent,))
    expected, actual = (backend.observe(asked) for backend in (torch, adjudicator))
    assert expected.failure is actual.failure is None
    assert actual.outputs.keys() == expected.outputs.keys() >= {"grad.0", "grad.weight", "grad2.weight"}
    for name, array in expected.outputs.items():
        assert actual.outputs[name].dtype == array.dtype == np.float64
        np.testing.assert_allclose(actual.outputs[name], array, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("mode", ["", "graph"])
@pytest.mark.parametrize("stem", LAYERS)
def test_derivatives_of_both_frameworks_are_the_adjudicators(stem: str, mode: str) -> None:
    [case] = [each for each in _cases(stem) if "bias=true" in each.id][:1]
    trial = Trial(replace(case, derivatives=2), "float32", TORCH, replace(MINDSPORE, mode=mode))
    found = run(trial, lambda target: targets.backend(target, 1), (Lane.EXACT,))
    compared = {each.tensor for each in found.comparisons if not each.against}
    assert compared == {"output", "grad.x", "grad.weight", "grad.bias", "grad2.weight"}
    assert {each.verdict for each in found.comparisons} == {Verdict.BITWISE}
    assert any(each.against for each in found.comparisons) is bool(mode)


@pytest.mark.parametrize(
    ("target", "call", "weight"),
    [
        (TORCH, "torch.nn.Embedding", "weight"),
        (MINDSPORE, "mindspore.nn.Embedding", "embedding_table"),
        (replace(MINDSPORE, mode="graph"), "mindspore.nn.Embedding", "embedding_table"),
    ],
    ids=str,
)
def test_integers_have_no_derivative_and_the_parameters_have_theirs(target: Target, call: str, weight: str) -> None:
    x, table = np.array([[1, 0, 1]], np.int32), np.arange(8, dtype=np.float32).reshape(4, 2)
    cotangent = np.array([[[1, 2], [3, 4], [5, 6]]], np.float32)
    asked = Request((Step(call, {}, (4, 2)),), 0, (x,), {weight: table}, cotangent=cotangent)
    seen = targets.backend(target, 1).observe(asked)
    assert seen.failure is None
    assert seen.outputs.keys() == {"output", f"grad.{weight}"}
    assert seen.outputs[f"grad.{weight}"].tolist() == [[3, 4], [6, 8], [0, 0], [0, 0]]


def test_a_failing_graph_compile_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """if True:
        import numpy as np
        from harness.backends import targets
        from harness.protocol import Request, Step
        backend = targets.backend(targets.parse("mindspore@cpu:graph"), 1)
        steps = (Step("mindspore.nn.Conv2d", {}, (3, 4, 3)), Step("mindspore.ops.reshape", {}, ((7, 11),)))
        seen = backend.observe(Request(steps, 0, (np.ones((1, 3, 5, 5), np.float32),), None))
        print(seen.failure.phase.value)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.split()[-1] == "call"
    assert list(tmp_path.iterdir()) == []


def test_mindspore_takes_a_wrong_shape_and_the_harness_does_not() -> None:
    case = _cases("conv1d")[0]
    backend: Any = targets.backend(MINDSPORE, 1)
    layer = backend.resolve("mindspore.nn.Conv1d")(8, 12, 3)
    backend.assign(layer, "weight", np.zeros((12, 8, 3), np.float32))  # four axes are right: nobody complains
    unaligned = request(case, "mindspore", _tensors(case))
    wrong = {name: array.reshape(array.shape[::-1]) for name, array in (unaligned.state or {}).items()}
    seen = backend.observe(type(unaligned)(unaligned.steps, unaligned.layer, unaligned.inputs, wrong))
    assert seen.failure is not None
    assert (seen.failure.phase, seen.failure.type) == (Phase.LOAD, "StateMismatch")


def test_numpy_2_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "2.1.0")
    reason = adapter_mindspore.conflict()
    assert reason is not None
    assert "numpy<2" in reason
    assert targets.obstacle(MINDSPORE) == reason
