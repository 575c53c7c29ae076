"""``port`` from end to end, between the miniature frameworks."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import runner
from harness.__main__ import main
from harness.backends import targets
from harness.model import Comparison, Lane, Target, Verdict
from harness.outcome import Outcome
from harness.tests.mini import FOLDER
from harness.tests.miniatures import adapter_honest, adapter_mini
from harness.tests.test_checkpoint import save, stored, weights

ROOT = Path(__file__).parents[2]
DOCUMENT = {
    *("call", "equivalent", "why", "recipe", "code", "steps", "depends_on_input"),
    *("verified", "not_verified", "tried", "written"),
}
VERIFIED = {"lane", "lanes", "tensors", "targets", "versions", "input", "domain"}
TRIED = {"recipe", "documented", "says", "steps", "holds", "verdict", "why", "counterexample"}
SIDES = ("--reference", "honest@cpu", "--subject", "mini@cpu")


@pytest.fixture(autouse=True)
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the case file of the miniatures, where ``port`` looks for one."""
    (tmp_path / "cases").mkdir()
    shutil.copy(FOLDER / "dense.yaml", tmp_path / "cases")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy"))
    return tmp_path / "cases"


@pytest.fixture
def port(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(call: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        code = main(["port", call, *SIDES, *arguments, "--json"])
        captured = capsys.readouterr()
        assert captured.err == ""
        assert captured.out.count("\n") == 1
        return code, json.loads(captured.out)

    return run


@pytest.fixture
def story(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(call: str, *arguments: str) -> tuple[int, str]:
        code = main(["port", call, *SIDES, *arguments])
        return code, capsys.readouterr().out

    return run


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["port", "--help"])
    assert end.value.code == 0
    assert "python -m harness port" in capsys.readouterr().out.split("example:")[1]


# -- an equivalent -----------------------------------------------------------------------------------------------------


def test_an_equivalent_has_its_code_and_its_evidence(port: Any) -> None:
    code, found = port("honest.Dense(6, 4, groups=2, device='cpu')")
    assert (code, found["equivalent"], found["recipe"], found["why"]) == (0, True, "plain", "")
    assert found.keys() == DOCUMENT
    assert found["call"] == 'honest.Dense(6, 4, groups=2, device="cpu")'
    assert found["steps"] == ["mini.Dense(6, 4, group=2, has_bias=True)"]
    assert (found["depends_on_input"], found["not_verified"], found["tried"]) == ([], None, [])
    verified = found["verified"]
    assert verified.keys() == VERIFIED
    assert verified["lane"] == "exact"
    assert verified["tensors"] == ["output", "grad.bias", "grad.weight", "grad.x"]
    assert verified["lanes"].keys() == {"exact", "rounding"}
    assert verified["lanes"]["exact"] == "bitwise"
    assert (verified["targets"], verified["input"]) == (["honest@cpu", "mini@cpu"], {"x": [2, 3, 6]})
    assert verified["versions"] == {"honest": None, "mini": None}
    assert verified["domain"] == {"when": "always", "names": {}, "cases": 4, "check": ["cases/dense.yaml::plainly"]}


def test_the_evidence_counts_every_family_that_verifies(port: Any) -> None:
    domain = port("honest.Dense(6, 4, gain=2)")[1]["verified"]["domain"]
    assert domain == {
        "when": "not is_text(gain) and gain not in [1, 7]",
        "names": {"gain": "gain"},
        "cases": 5,
        "check": ["cases/dense.yaml::after", "cases/dense.yaml::afterwards"],
    }


def run_code(code: str, source: Any, x: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the written code gives for an input, with the weights of a layer."""
    for name, module in (("honest", adapter_honest), ("mini", adapter_mini)):
        monkeypatch.setitem(sys.modules, name, module)
    scope: dict[str, Any] = {"source": source}
    exec(compile(code, "code", "exec"), scope)
    return scope["forward"](x)


@pytest.mark.parametrize(
    "given",
    [
        {"groups": 2, "bias": False},
        {"bias": True},
        {"gain": 2, "groups": 3},
        {"gain": "extent"},
        {"gain": 4, "bias": False},
    ],
    ids=str,
)
def test_the_code_does_what_the_call_does(port: Any, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> None:
    words = ", ".join(f"{name}={value!r}" for name, value in given.items())
    code, found = port(f"honest.Dense(6, 12, {words})", "--input", "1,5,6")
    assert code == 0
    source = adapter_honest.Dense(6, 12, **given)
    x = np.arange(30.0, dtype=np.float32).reshape(1, 5, 6)
    assert np.allclose(run_code(found["code"], source, x, monkeypatch), source(x), rtol=1e-6)


def test_the_other_way_round(port: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code, found = port("mini.Dense(6, outputs=4, has_bias=True)")
    assert (code, found["recipe"], found["steps"]) == (0, "back", ["honest.Dense(6, 4)"])
    source = adapter_mini.Dense(6, 4, has_bias=True)
    x = np.ones((1, 2, 6), np.float32)
    assert np.allclose(run_code(found["code"], source, x, monkeypatch), source(x), rtol=1e-6)


@pytest.mark.parametrize(
    ("gain", "fixed", "names"), [("'extent'", "l=5", ["l"]), ("2", "", []), ("1", "", [])], ids=["extent", "two", "one"]
)
def test_what_depends_on_the_inputs_size_says_so(
    port: Any, story: Any, gain: str, fixed: str, names: list[str]
) -> None:
    call = f"honest.Dense(6, 4, gain={gain})"
    assert port(call, "--input", "1,5,6")[1]["depends_on_input"] == names
    text = story(call, "--input", "1,5,6")[1]
    assert ("The code is for this size of input" in text) == bool(names)
    assert fixed in text


def test_the_story_of_an_equivalent(story: Any) -> None:
    code, text = story("honest.Dense(6, 4, gain=2)")
    lines = text.splitlines()
    assert code == 0
    assert lines[0] == "equivalent, by 'gain-after': the gain after the layer"
    assert "layer = mini.Dense(6, 4, has_bias=True)" in lines
    tensors = "output, grad.bias, grad.weight, grad.x"
    assert any(line.startswith(f"verified  {tensors} of this very call: bitwise in the exact lane") for line in lines)
    assert "on        honest@cpu, mini@cpu; honest None and mini None; forward and backward" in lines
    assert "  gain-as-documented (the document's own, claim 'gain'): value: " in text
    assert lines[-1].startswith("next: --script FILE")


@pytest.mark.parametrize(
    ("tensors", "directions"),
    [(("output", "grad.x"), "forward and backward"), (("output", "output_1"), "forward only")],
)
def test_a_lane_is_as_good_as_the_worst_of_its_tensors(
    port: Any, story: Any, monkeypatch: pytest.MonkeyPatch, tensors: tuple[str, str], directions: str
) -> None:
    bitwise = [Comparison(tensor, Lane.EXACT, Verdict.BITWISE, (), ()) for tensor in tensors]
    rounded = [replace(each, lane=Lane.ROUNDING) for each in bitwise]
    rounded[0] = replace(rounded[0], verdict=Verdict.WITHIN_BOUND)
    found = Outcome(Verdict.WITHIN_BOUND, (*bitwise, *rounded))
    monkeypatch.setattr(runner, "run", lambda *_: found)
    verified = port("honest.Dense(6, 4)")[1]["verified"]
    assert verified["lanes"] == {"exact": "bitwise", "rounding": "within_bound"}
    assert verified["tensors"] == list(tensors)
    assert f"; {directions}\n" in story("honest.Dense(6, 4)")[1]


# -- what was tried ----------------------------------------------------------------------------------------------------


def test_a_documented_recipe_that_fails_has_a_counterexample(port: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = port("honest.Dense(6, 4, gain=2)", "--input", "1,5,6")
    (tried,) = found["tried"]
    assert (code, found["recipe"], tried.keys()) == (0, "gain-after", TRIED)
    assert (tried["recipe"], tried["documented"], tried["says"]) == (
        "gain-as-documented",
        "gain",
        "the gain before the layer",
    )
    assert (tried["holds"], tried["verdict"]) == (False, "value")
    assert tried["steps"] == ["mini.Times(by=2)", "mini.Dense(6, 4, has_bias=True)"]
    assert tried["why"]
    words = shlex.split(tried["counterexample"])
    assert words[:4] == ["python", "-m", "harness", "compare"]
    assert "1,5,6" in words
    assert main([*words[3:], "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "value"


def test_another_recipe_that_holds_too_needs_no_counterexample(port: Any, story: Any) -> None:
    _, found = port("honest.Dense(6, 4, bias=False, gain=2)")
    assert found["recipe"] == "gain-as-documented"
    (tried,) = found["tried"]
    assert (tried["holds"], tried["why"], tried["counterexample"]) == (True, "", None)
    assert "  gain-after: holds too\n" in story("honest.Dense(6, 4, bias=False, gain=2)")[1]


@pytest.mark.parametrize(
    ("arguments", "recipes"),
    [
        ("", ["plain"]),
        ("gain=1", ["plain"]),
        ("gain=2", ["gain-as-documented", "gain-after"]),
        ("gain=-3", ["gain-as-documented", "gain-after"]),
        ("gain=-3, bias=False", ["gain-as-documented", "gain-after", "unbiased"]),
        ("gain=7", ["gain-as-documented"]),
        ("gain='extent'", ["by-extent"]),
        ("gain=True", []),
    ],
)
def test_only_recipes_whose_domain_holds_the_call_are_tried(port: Any, arguments: str, recipes: list[str]) -> None:
    _, found = port(f"honest.Dense(6, 4, {arguments})")
    named = [each["recipe"] for each in found["tried"]] + ([found["recipe"]] if found["recipe"] else [])
    assert sorted(named) == sorted(recipes)


# -- no equivalent -----------------------------------------------------------------------------------------------------


def test_no_recipe_that_holds_is_no_equivalent(port: Any, story: Any) -> None:
    code, found = port("honest.Dense(6, 4, gain=7)")
    assert (code, found["equivalent"], found["recipe"], found["code"], found["verified"]) == (
        1,
        False,
        None,
        None,
        None,
    )
    assert found["why"] == "every recipe that fits was tried, and none holds"
    assert (found["steps"], [each["recipe"] for each in found["tried"]]) == ([], ["gain-as-documented"])
    assert story("honest.Dense(6, 4, gain=7)")[1].startswith("no equivalent: honest.Dense(6, 4, gain=7)\n")


def test_a_comparison_that_proves_nothing_leaves_it_open(port: Any) -> None:
    code, found = port("honest.Dense(6, 4, bias=False, gain=0)")  # all zeros, whatever the weights
    assert (code, found["equivalent"], found["recipe"]) == (1, None, None)
    assert {each["verdict"] for each in found["tried"]} == {"weak"}
    assert found["why"] == "every recipe that fits was tried, and proves nothing"


def test_no_recipe_that_fits_is_none_known(port: Any, story: Any) -> None:
    code, found = port("honest.Dense(6, 4, gain=True)")
    assert (code, found["equivalent"], found["tried"]) == (1, None, [])
    assert found["why"] == "no recipe of the case file fits these arguments (5 were looked at)"
    assert story("honest.Dense(6, 4, gain=True)")[1].startswith("no equivalent known: ")


def test_a_call_without_recipes_names_those_that_have_some(port: Any) -> None:
    code, found = port("honest.Linear(6, 4)")
    assert (code, found["equivalent"]) == (1, None)
    assert found["why"] == "no case file has a recipe for honest.Linear; there are some for honest.Dense"


def test_what_the_call_itself_refuses_has_no_equivalent(port: Any) -> None:
    code, found = port("honest.Dense(0, 4)")
    assert (code, found["equivalent"], found["tried"]) == (1, False, [])
    assert found["why"] == "honest itself refuses it at construct: ValueError: ci must be positive, is 0"


@pytest.mark.parametrize(("least", "rows"), [(3, 3), (4, 6), (96, 96), (97, 0)])
def test_an_input_grows_until_the_call_takes_it(port: Any, least: int, rows: int) -> None:
    code, found = port(f"honest.Dense(6, 4, least={least})")
    if rows:
        assert (code, found["verified"]["input"]) == (0, {"x": [2, rows, 6]})
    else:
        assert (code, found["equivalent"]) == (1, False)
        assert "honest itself refuses it at call" in found["why"]


def test_a_given_input_does_not_grow(port: Any) -> None:
    assert port("honest.Dense(6, 4, least=4)", "--input", "1,4,6")[1]["verified"]["input"] == {"x": [1, 4, 6]}
    code, found = port("honest.Dense(6, 4, least=4)", "--input", "1,3,6")
    assert (code, found["equivalent"]) == (1, False)
    assert "at least 4 rows" in found["why"]


# -- a framework that is not here --------------------------------------------------------------------------------------


def missing(monkeypatch: pytest.MonkeyPatch, *frameworks: str) -> None:
    def obstacle(target: Target) -> str | None:
        return f"{target.framework} is not installed" if target.framework in frameworks else None

    monkeypatch.setattr(targets, "obstacle", obstacle)


@pytest.mark.parametrize("absent", [("mini",), ("honest",), ("honest", "mini")])
def test_without_a_framework_the_code_is_not_verified(
    port: Any, story: Any, monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...]
) -> None:
    missing(monkeypatch, *absent)
    code, found = port("honest.Dense(6, 4, gain=2)")
    assert (code, found["equivalent"], found["verified"]) == (1, None, None)
    assert (found["recipe"], found["not_verified"]) == ("gain-after", f"{absent[0]} is not installed")
    assert "layer = mini.Dense(" in found["code"]
    (tried,) = found["tried"]
    assert (tried["holds"], tried["verdict"], tried["counterexample"]) == (None, "not_run", None)
    assert tried["why"] == f"{absent[0]} is not installed"
    code, text = story("honest.Dense(6, 4, gain=2)")
    assert code == 1
    assert text.startswith(f"NOT VERIFIED HERE: {absent[0]} is not installed\ngain-after: the gain after the layer\n")
    assert text.splitlines()[-1].startswith("next: python -m harness doctor")


def test_without_its_framework_a_call_has_the_documented_parameters(
    port: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing(monkeypatch, "honest", "mini")
    assert port("honest.Dense(6, 4, 1, False, 2)")[1]["recipe"] == "gain-after"
    assert main(["port", "honest.Dense(6, 4, device=None)", *SIDES]) == 2
    assert "no argument 'device'" in capsys.readouterr().err
    assert main(["port", "mini.Dense(6, 4)", *SIDES]) == 2
    assert "no document states its signature" in capsys.readouterr().err


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["honest.Dense(6, 4)", "--input", "1,6"], "--input has 2 extents; 'x' of Dense has (n, l, ci)"),
        (["honest.Dense(6, 4)", "--input", "1,5,6,6"], "--input has 4 extents"),
        (["honest.Dense(6, 4)", "--input", "1,5,7"], "--input says 7 for 'ci' of Dense, the call 6"),
        (["honest.Dense(6, 4)", "--input", "1,x"], "--input '1,x': expected extents"),
        (["honest.Dense(6)"], "the argument 'co' is missing"),
        (["honest.Dense(6, 4, 1, True, 1, 1, None, None, None, 0)"], "10 arguments by position, it takes 9"),
        (["honest.Dense(6, 4, ci=6)"], "the argument 'ci' is given twice"),
        (["honest.Dense(6, 4, gian=2)"], "no argument 'gian' (did you mean 'gain'?)"),
        (["honest.Dense(6, n)"], "'n' is no literal"),
        (["honest.Dense(6, 4"], "not a Python expression"),
        (["honest.Dense(6, 4) >> honest.Table()"], "port takes one call"),
        (["torch.nn.Linear(6, 4)"], "expected a call of honest or mini"),
        (["honest.Dense(6, 4)", "--cases", "nowhere"], "nowhere: no case files here"),
        (["honest.Dense(6, 4)", "--weights", "nowhere.safetensors"], "nowhere.safetensors: No such file"),
        (["honest.Dense(6, 4)", "--script", "nowhere/script.py"], "No such file"),
        (["honest.Dense(6, 4)", "--subject", "mini@tpu"], "unknown device"),
        (["honest.Dense(6, 4)", "--subject", "honest@cpu"], "expected two frameworks"),
        (["honest.Dense(6, {})"], "'{}' is no literal"),
        (["honest.Dense(6, 4)", "--weights", ""], "--weights '': expected the name of a file"),
        (["honest.Dense(6.0, 4)"], "the shape (2, 3, 6.0); expected whole numbers"),
        (["honest.Dense(True, 4)"], "expected whole numbers"),
        (["honest.Dense(100000, 100000)"], "more than 134217728 elements"),
        (["honest.Dense(6, 4)", "--script", ""], "--script '': expected the name of a file"),
        (["honest.Dense(6, 4)", "--to", "there"], "--to and --prefix go with --weights"),
        (["honest.Dense(6, 4)", "--weights", "a/w", "--to", "a/../a/w"], "that is the file to be converted"),
    ],
)
def test_input_errors_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["port", *SIDES, *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert words in captured.err


# -- what is written ---------------------------------------------------------------------------------------------------


def bare(script: Path) -> subprocess.CompletedProcess[str]:
    """The script in a process of its own, with packages in place of the miniatures' adapters."""
    for name, things in (("honest", "Dense"), ("mini", "Dense, Times, times")):
        module = f"from harness.tests.miniatures.adapter_{name} import {things}\n__version__ = '1.0'\n"
        (script.parent / f"{name}.py").write_text(module, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", str(script)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("call", ["honest.Dense(6, 4, groups=2, gain=2)", "mini.Dense(6, 4)"])
def test_a_script_compares_by_itself(story: Any, tmp_path: Path, call: str) -> None:
    script = tmp_path / "compare it.py"
    _, text = story(call, "--script", str(script))
    assert f"run it with: python {shlex.quote(str(script))}" in text
    done = bare(script)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "equal in every bit"
    written = script.read_text(encoding="utf-8")
    for side, name in (("honest", "weight"), ("mini", "kernel")):
        line = next(line for line in written.splitlines() if line.startswith(f'{side}_layer.state["{name}"] = '))
        script.write_text(written.replace(line, f"{line} + 1"), encoding="utf-8")
        done = bare(script)
        assert (done.returncode, done.stderr) == (1, "")
        assert "elements differ" in done.stdout


def test_weights_are_converted_beside_the_others_or_where_they_are_wanted(story: Any, tmp_path: Path) -> None:
    source = save(tmp_path / "model.safetensors", weights())
    _, text = story("honest.Dense(3, 4)", "--weights", str(source))
    target = tmp_path / "model.mini.safetensors"
    assert f"written: {target}\n  weight (4, 3) -> kernel (3, 4), F32" in text
    assert stored(target).keys() == {"kernel", "bias"}
    code, _ = story("mini.Dense(3, 4, has_bias=True)", "--weights", str(target), "--to", "back.safetensors")
    assert code == 0
    assert stored(Path("back.safetensors")) == stored(source)


def test_a_prefix_chooses_the_layer(story: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = save(tmp_path / "model.safetensors", {**weights(prefix="a."), **weights(prefix="b.")})
    assert main(["port", "honest.Dense(3, 4)", *SIDES, "--weights", str(source)]) == 2
    assert "give --prefix a. or b." in capsys.readouterr().err
    story("honest.Dense(3, 4)", "--weights", str(source), "--prefix", "b.")
    assert stored(tmp_path / "model.mini.safetensors").keys() == {"a.weight", "a.bias", "b.kernel", "b.bias"}


def test_what_the_call_has_not_is_not_left_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = save(tmp_path / "model.safetensors", weights(prefix="a."))
    assert main(["port", "honest.Dense(3, 4, bias=False)", *SIDES, "--weights", str(source)]) == 2
    assert "'a.bias' is there too, but the layer of this call has no such parameter" in capsys.readouterr().err


def test_a_prefix_needs_no_dot(story: Any, tmp_path: Path) -> None:
    source = save(tmp_path / "model.safetensors", weights(prefix="a."))
    story("honest.Dense(3, 4)", "--weights", str(source), "--prefix", "a")
    assert stored(tmp_path / "model.mini.safetensors").keys() == {"a.kernel", "a.bias"}


def test_nothing_is_written_without_an_equivalent(story: Any, tmp_path: Path) -> None:
    source = save(tmp_path / "model.safetensors", weights())
    story("honest.Dense(3, 4, gain=7)", "--weights", str(source), "--script", "script.py")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases", "model.safetensors"]


def test_a_subject_that_no_recipe_is_for_leaves_it_open(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["port", "honest.Dense(6, 4)", "--reference", "honest@cpu", "--subject", "numpy@cpu", "--json"]
    assert main(arguments) == 1
    assert json.loads(capsys.readouterr().out)["equivalent"] is None
