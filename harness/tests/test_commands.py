"""The command line, as far as it needs no framework."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness import calls
from harness.__main__ import main
from harness.errors import HarnessError
from harness.protocol import Step
from harness.records import Writer
from harness.tests import sample

COMMANDS = ("doctor", "compare", "claims", "report")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"python -m harness {command}" in capsys.readouterr().out.split("example:")[1]


@pytest.mark.parametrize("arguments", [[], ["compaer"], ["report"], ["compare", "torch.nn.Identity()"]])
def test_usage_errors_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["claims", "nowhere"], "nowhere"),
        (["report", "nowhere", "-o", "x"], "nowhere"),
        (["compare", "torch.nn.Conv2d(3", "mindspore.nn.Conv2d(3)", "--input", "1,3"], "not a Python expression"),
        (["compare", "torch.nn.Conv2d(n)", "mindspore.nn.Conv2d(3)", "--input", "1,3"], "'n' is no literal"),
        (["compare", "Conv2d(3)", "mindspore.nn.Conv2d(3)", "--input", "1,3"], "full dotted name"),
        (["compare", "torch.nn.Conv2d(3)", "mindspore.nn.Conv2d(3)", "--input", "1,x"], "--input '1,x'"),
        (["compare", "tirch.nn.Conv2d(3)", "mindspore.nn.Conv2d(3)", "--input", "1,3"], "did you mean 'torch'?"),
        (["compare", "torch.nn.A() >> mindspore.nn.B()", "torch.nn.A()", "--input", "1"], "a side is of one framework"),
    ],
)
def test_input_errors_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err


def _results(folder: Path, *, red: bool) -> Path:
    record = sample.trial(status="new" if red else "as_expected")
    with Writer(folder / "results.jsonl") as writer:
        writer.header(sample.header(planned=1))
        writer.trial(record)
        writer.footer()
    return folder


def test_report_writes_pages_and_says_what_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(_results(tmp_path, red=False)), "-o", str(tmp_path / "out")]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["claims.csv", "matrix.csv", "report.html", "report.md"]
    capsys.readouterr()
    assert main(["report", str(_results(tmp_path, red=True)), "-o", str(tmp_path / "out"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["new"] == 1


def test_claims_prints_one_json_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", str(_results(tmp_path, red=False)), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows and all(row["verdict"] in {"confirmed", "refuted", "conditional", "untested"} for row in rows)


def test_doctor_starts_without_importing_a_framework() -> None:
    code = (
        "import sys, json, io, contextlib\n"
        "from harness.__main__ import main\n"
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out): main(['doctor', '--json', '--quick'])\n"
        "assert {row['target'] for row in json.loads(out.getvalue())['targets']} >= {'torch@cpu', 'mindspore@cpu'}\n"
        "assert not {'torch', 'mindspore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_calls_are_parsed_into_steps() -> None:
    steps = calls.parse("a.Pad(((0, 0), [1, -1]), mode='x') >> a.b.Layer(3, k=(1, 2), bias=False)")
    assert steps == (
        Step("a.Pad", {"mode": "x"}, (((0, 0), (1, -1)),)),
        Step("a.b.Layer", {"k": (1, 2), "bias": False}, (3,)),
    )


@pytest.mark.parametrize(
    "text", ["a.b(__import__('os'))", "a.b(*[1])", "a.b(**{})", "a.b", "a.b(1) + a.c(2)", "(lambda: 0)()"]
)
def test_calls_take_literals_only(text: str) -> None:
    with pytest.raises(HarnessError):
        calls.parse(text)


@pytest.mark.parametrize("step", [Step("a.b", {"x": (1,), "y": ((1, 2), "it's"), "z": None}, (0.5, "\"'"))])
def test_a_step_prints_as_it_is_parsed(step: Step) -> None:
    assert calls.parse(str(step)) == (step,)
