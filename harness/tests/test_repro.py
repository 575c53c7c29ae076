"""Reproducers of miniature layers: what is shown, by which rule, how small, and what is said where nothing is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from harness.__main__ import main
from harness.backends import targets
from harness.reproduce import bare
from harness.reproduce.bare import Ran
from harness.reproduce.smallest import recognised
from harness.tests import mini, sample
from harness.tests.test_frameworks import ROOT

LINEAR = """
layer: {layer}
documents: {{d: {{title: Differences, mindspore: "2.1", torch: "1.8.1"}}}}
honest: {{call: honest.{layer}, with: {{ci: =ci, co: =ci}}}}
mini: {{call: mini.{call}, with: {{ci: =ci, co: =ci{more}}}}}
state: {{weight: {{shape: [=ci, =ci]}}, bias: {{shape: [=ci]}}}}
inputs: {{x: [=n, =k, =l, =ci]}}
values: {{n: 2, l: 5, ci: 4}}
claims: {{same: {{document: d, where: "Table, row 1", says: both do the same}}}}
families:
  f: {{claims: [same], sweep: {{k: [1, 2]}}, expect: {expect}{rest}}}
"""

PACKAGES = """
import runpy, sys, types
from harness.tests.miniatures import adapter_honest, adapter_mini
for name, adapter in {"honest": adapter_honest, "mini": adapter_mini}.items():
    sys.modules[name] = types.SimpleNamespace(__version__="1.0", **adapter.Adapter.layers)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture(autouse=True)
def miniature_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy"))
    monkeypatch.setattr(bare, "run", run)


def run(text: str) -> Ran:
    """The program in a process of its own, with packages in place of the miniatures' adapters."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "repro.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PACKAGES, str(Path(folder) / "repro.py")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    return Ran(done.returncode, done.stdout + done.stderr)


def case_file(folder: Path, call: str, more: str = "", rest: str = "", expect: str = "equal", **other: Any) -> str:
    """A case file of one family, and the id of its second trial."""
    layer = other.pop("layer", "Linear")
    text = LINEAR.format(layer=layer, call=call, more=more, expect=expect, rest=rest)
    (folder / "cases").mkdir(exist_ok=True)
    (folder / "cases" / "layer.yaml").write_text(text)
    return "layer/f/k=2,float32,mini@cpu"


def repro(capsys: pytest.CaptureFixture[str], trial: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["repro", trial, "--reference", "honest@cpu", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("call", "more", "says"),
    [
        ("Shifted", "", "mini's output is honest's shifted by"),
        ("Flipped", "", "flipped"),
        ("NaN", "", "mini's output has NaN in"),
        ("WrongShape", "", "mini's output is honest's without 1 at the end of axis 3"),
        ("WrongDtype", "", "the dtypes of the results differ"),
        ("HalfCast", "", "mini's output is honest's rounded to float16"),
        ("Raises", ", at: construct", "mini refuses the call at construct with ValueError, honest does not"),
        ("Raises", ", at: call", "mini refuses the call at call with RuntimeError, honest does not"),
        ("Raises", ", at: load", "honest's weights do not fit mini's layer"),
        ("Unsupported", "", "mini refuses the call at call with NotImplementedError, honest does not"),
    ],
)
def test_what_a_layer_does_wrong_is_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: str,
    more: str,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, found = repro(capsys, case_file(tmp_path, call, more))
    assert (code, found["exit_code"]) == (0, 1), found["printed"]
    assert says in found["says"]
    assert len(found["script"].splitlines()) <= 40
    assert "n=1" in found["smallest"]
    mended = found["script"].replace(f"mini.{call}(", "mini.Linear(")
    assert run(re.sub(r', at="\w+"', "", mended)).code == 0
    if "refuses" in says:
        assert run(found["script"].replace("honest.Linear(", "honest.Picky(")).code == 0, "both refuse"


def test_a_difference_of_rounding_is_shown_by_its_own_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trial = case_file(tmp_path, "HalfCast", rest=", lanes: [rounding]")
    code, found = repro(capsys, trial)
    assert (code, found["record"]["comparisons"][0]["lane"]) == (0, "rounding")
    measured = found["record"]["comparisons"][0]
    assert f"{measured['mismatched']} of {measured['size']} elements are out of bounds" in found["printed"]
    assert {"truth = numpy.array", "bound = numpy.array"} <= set(re.findall(r"\w+ = numpy.array", found["script"]))
    assert run(found["script"].replace("mini.HalfCast(", "mini.Linear(")).code == 0
    off = found["script"].replace("return numpy.asarray(x)", "return numpy.asarray(x) + numpy.float32(1e-6)", 1)
    assert run(off.replace("mini.HalfCast(", "mini.Linear(")).code == 1, "the reference is held against the truth too"


def test_too_many_values_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trial = case_file(tmp_path, "Shifted", rest=", values: {n: 9, ci: 20}")
    code, found = repro(capsys, trial, "--no-shrink")
    assert (code, found["smallest"], found["way"]) == (0, trial, "not shrunk")
    assert "default_rng(0)  # too many values to write out" in found["script"]
    assert "(9, 2, 5, 20)" in found["script"]
    assert run(found["script"].replace("mini.Shifted(", "mini.Linear(")).code == 0
    assert "<= " not in found["script"], "whole numbers have no bound"
    rounding = case_file(tmp_path, "HalfCast", rest=", lanes: [rounding], values: {n: 9, ci: 20}")
    code, found = repro(capsys, rounding, "--no-shrink")
    assert code == 0 and "uniform(-1, 1, (9, 2, 5, 20))" in found["script"]
    bound = re.search(r"<= ([\d.e-]+)\)", found["script"])
    assert bound and 1e-6 < float(bound[1]) < 1e-4
    assert run(found["script"].replace("mini.HalfCast(", "mini.Linear(")).code == 0


@pytest.mark.parametrize(
    ("call", "expect", "rest", "says", "mended"),
    [
        ("Linear", "different", "", "both give the same, although the document says: different", "Shifted"),
        ("Linear", "rejected_by_subject", "", "although the document says: rejected by subject", "Shifted"),
        ("Linear", "same_shape", ", output_shape: [=n, 9]", "the document prints (1, 9), honest gives", ""),
        (
            "Raises",
            "rejected_by_subject",
            ", phase: [construct]",
            "mini refuses it at call, stated is construct",
            "Linear",
        ),
    ],
)
def test_what_a_document_says_wrongly_is_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: str,
    expect: str,
    rest: str,
    says: str,
    mended: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    more = ", at: call" if call == "Raises" else ""
    code, found = repro(capsys, case_file(tmp_path, call, more, rest, expect))
    assert (code, found["exit_code"]) == (0, 1), found["printed"]
    assert says in found["says"]
    if mended:
        assert run(found["script"].replace(f"mini.{call}(", f"mini.{mended}(").replace(', at="call"', "")).code == 0
    else:
        assert run(found["script"].replace("documented = (1, 9)", "documented = (1, 1, 1, 1)")).code == 0


DENSE = """
layer: Dense
documents: {d: {title: Differences}}
honest: {call: honest.Dense, with: {ci: =ci, co: =ci}}
mini: {call: mini.Dense, with: {inputs: =ci, outputs: =ci}}
state: {weight: {shape: [=ci, =ci]}, bias: {shape: [=ci]}}
inputs: {x: [2, =ci]}
values: {ci: 3}
claims: {c: {document: d, where: here, says: so it is}}
families:
  built: {claims: [c], check: state, side: mini}
  starts: {claims: [c], check: init, side: mini, tensor: bias, distribution: [constant, 1]}
  takes: {claims: [c], check: signature, side: honest, parameters: [co, ci, {groups: 2}]}
  lacks: {claims: [c], check: signature, side: mini, of: call, lacks: [x]}
"""


@pytest.mark.parametrize(
    ("trial", "says", "mended"),
    [
        (
            "built/as-given",
            "stated is bias (3,), weight (3, 3)",
            ("{'weight': (3, 3), 'bias': (3,)}", "{'kernel': (3, 3)}"),
        ),
        ("takes/parameter=groups", "documented is groups=2, installed is groups=1", ("expected = 2", "expected = 1")),
        ("takes/parameter=order", "from place 1 on", ("['co', 'ci', 'groups']", "['ci', 'co', 'groups']")),
        ("takes/parameter=others", "also takes bias", ("known = [", "known = [*parameters, ")),
        ("lacks/parameter=x", "the installed call has x", ("__call__)", "__init__)")),
    ],
)
def test_what_a_document_states_is_shown(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trial: str,
    says: str,
    mended: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "dense.yaml").write_text(DENSE)
    code, found = repro(capsys, f"dense/{trial},float32,mini@cpu")
    assert (code, found["exit_code"]) == (0, 1), found["printed"]
    assert says in found["says"]
    assert mended[0] in found["script"]
    assert run(found["script"].replace(*mended)).code == 0


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        ("layer/f/k=1,float32,mini@cpu", "no divergence: bitwise, as the case file says"),
        ("cases/layer.yaml::f::k=1,float32,mini@cpu", "layer/f/k=1,float32,mini@cpu: no divergence"),
        ("lyer/f/k=1,float32,mini@cpu", "no case file cases/lyer.yaml (did you mean 'layer'?)"),
        ("layer/g/k=1,float32,mini@cpu", "'layer' has no family 'g' (known: f)"),
        ("layer/f/k=3,float32,mini@cpu", "no trial of 'f' has these values (did you mean 'layer/f/k="),
        ("layer/f/k=1,float16,mini@cpu", "no trial of 'f' has these values"),
        ("layer/f/k=1,float32,mimi@cpu", "unknown framework (did you mean 'mini'?)"),
        ("layer", "'layer': expected a trial's id, as in conv2d/"),
        ("layer/f/k=1", "expected a trial's id"),
    ],
)
def test_a_trial_that_is_none_or_shows_nothing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trial: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    case_file(tmp_path, "Linear")
    assert main(["repro", trial, "--reference", "honest@cpu"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert words in captured.err


def test_what_no_program_can_show_names_the_command_that_runs_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["repro", case_file(tmp_path, "Crash", ", how: abort"), "--reference", "honest@cpu"]) == 2
    assert "no program is written for crash; this runs it again: python -m pytest cases/layer.yaml::f::k=2" in (
        capsys.readouterr().err
    )
    (tmp_path / "cases" / "dense.yaml").write_text(DENSE)
    assert main(["repro", "dense/starts/as-given,float32,mini@cpu", "--reference", "honest@cpu"]) == 2
    assert "a check of init; this runs it again: python -m pytest cases/dense.yaml::starts::" in capsys.readouterr().err


def test_a_file_is_replaced_when_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trial, own = case_file(tmp_path, "Shifted"), ["--reference", str(mini.HONEST)]
    (tmp_path / "out.py").write_text("old")
    assert main(["repro", trial, *own, "-o", "out.py"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "shrunk from 2x2x5x4 to 1x2x1x3 in 6 runs",
        "written: out.py",
        "the program was run here, and exited with 1",
    ]
    written = (tmp_path / "out.py").read_text()
    assert run(written).code == 1
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device", "x")))
    assert main(["repro", trial, *own, "-o", "out.py"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "out.py").read_text() == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases", "out.py"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", " "], "--output '': expected the name of a file"),
        (["-o", "nowhere/out.py"], "nowhere/out.py: No such file or directory"),
        (["--results", "nowhere"], "nowhere"),
        (["--cases", "nowhere"], "no case file nowhere/layer.yaml (known: none)"),
    ],
)
def test_usage_errors_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bare, "run", lambda text: Ran(1, ""))
    assert main(["repro", case_file(tmp_path, "Shifted"), "--reference", "honest@cpu", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err.splitlines()[-1]


def test_a_program_that_does_not_show_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bare, "run", lambda text: Ran(0, "equal"))
    assert main(["repro", case_file(tmp_path, "Shifted"), "--reference", "honest@cpu"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith("exited with 0: it does not show it")


def test_other_results_than_the_runs_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trial = case_file(tmp_path, "Shifted")
    _, found = repro(capsys, trial)
    record = {**found["record"], "trial": trial, "status": "new", "departure": "", "known": None}
    flipped = {**record, "diagnosis": {"kind": "flipped", "says": "the other way round"}}
    for name, each in (("same", record), ("other", flipped)):
        sample.store(tmp_path / name, [each])
        main(["repro", trial, "--reference", "honest@cpu", "--results", name])
        said = "the run saw something else: Linear value output flipped; here: Linear value output shifted"
        assert (said in capsys.readouterr().err) == (name == "other")
    assert main(["repro", "layer/f/k=1,float32,mini@cpu", "--reference", "honest@cpu", "--results", "same"]) == 2
    assert "same has no 'layer/f/k=1,float32,mini@cpu' (did you mean" in capsys.readouterr().err


def test_a_report_has_all_that_a_tracker_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    trial = case_file(tmp_path, "Shifted")
    assert main(["repro", trial, "--reference", "honest@cpu", "--issue", "-o", "issue.md"]) == 0
    text = (tmp_path / "issue.md").read_text()
    assert text.startswith(
        "# honest.Linear and mini.Shifted: mini's output is honest's shifted by +1 along axis 3, going round\n"
    )
    script = text.split("```python\n")[1].split("```")[0]
    assert run(script).output.strip() == text.split("```text\n")[1].split("```")[0].strip()
    for words in (
        "| numpy | 1.",
        "| honest | unknown, cpu |",
        "| platform | ",
        "It printed here, and exited with 1:",
        "## Expected\n\nThe values that honest gives.",
        "elements differ, by up to",
        "(whole numbers, no tolerance)",
        "(honest@cpu float64) disagrees with mini.",
        "- *Differences* (about mindspore 2.1 and torch 1.8.1), Table, row 1: both do the same.",
        f"Trial `{trial}`, made smaller: `layer/f/n=1",
    ):
        assert words in text, words


def test_sides_that_differ_as_the_document_says_are_shown_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, found = repro(capsys, case_file(tmp_path, "Shifted", expect="different"))
    assert (code, found["exit_code"], found["record"]["as_expected"]) == (0, 1, True)


def test_a_refusal_is_recognised_by_its_words_and_not_by_its_numbers() -> None:
    def of(message: str, **changes: Any) -> object:
        error = {"side": "subject", "phase": "call", "type": "ValueError", "message": message}
        return recognised(sample.trial(verdict="rejected_by_subject", error=error, undocumented="", **changes))

    assert of("k has to be below 4, is 7") == of("k has to be below 2, is 3")
    assert of("one of {'a', 'b'}") == of("one of {'b', 'a'}")
    assert of("k has to be below 4, is 7") != of("s has to be below 4, is 7")
    assert of("no", as_expected=False) != of("no", as_expected=True)


def test_a_program_is_run_where_nothing_of_ours_is_in_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "beside.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ran = bare.run("import beside")
    assert ran.ending == "ended in an error" and "No module named 'beside'" in ran.output
    assert bare.run("print('a'); raise SystemExit(3)") == Ran(3, "a\n")
    assert bare.run("import time; time.sleep(60)", limit=0.5).ending == "took too long"
