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

COMMANDS = ("doctor", "compare", "claims", "report", "repro", "explore", "record")


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


def test_a_folder_of_results_folders_is_all_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, k in ((1, 3), (2, 5)):
        sample.store(tmp_path / "results" / f"cpu-{index}", [sample.trial(k)], shard=f"{index}/2")
    assert main(["report", str(tmp_path / "results"), "-o", str(tmp_path / "pages"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trials"] == 2


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
    assert names == ["claims.csv", "classes.csv", "matrix.csv", "report.html", "report.md", "trials.parquet"]
    capsys.readouterr()
    assert main(["report", str(_results(tmp_path, red=True)), "-o", str(tmp_path / "out"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["new"] == 1


def test_report_counts_classes_before_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = [sample.trial(1), sample.divergent(2), sample.divergent(4), sample.known(3, family="pad")]
    sample.store(tmp_path / "new", new)
    sample.store(tmp_path / "old", [sample.trial(1), sample.trial(2), sample.divergent(9, family="gone")])
    command = ["report", str(tmp_path / "new"), "-o", str(tmp_path / "out")]
    assert main([*command, "--against", str(tmp_path / "old")]) == 1
    out = capsys.readouterr().out
    old = f"against {tmp_path / 'old'}"
    assert f"{old}, classes: 2 new, 0 fixed, 0 diverges differently, 1 no longer measured" in out
    assert out.index(f"{old}, classes") < out.index(f"{old}, trials: 3 new")
    assert "1 new class (2 trials), 1 known class (1 trial); 4 trials, 2 new. Pages:" in out
    main([*command, "--json"])
    found = json.loads(capsys.readouterr().out)["classes"]
    assert [(each["status"], each["trials"], each["when"], each["known"]) for each in found] == [
        ("new", 2, "when k != 1", ""),
        ("known", 1, "in every trial", "CONV-1"),
    ]
    assert found[0]["smallest"] == new[1]["trial"] and found[0]["reproducer"] == new[1]["reproducer"]


def test_claims_prints_one_json_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", str(_results(tmp_path, red=False)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"documents", "claims", "unchecked", "selected", "problems"}
    assert [(row["id"], row["verdict"]) for row in found["claims"]] == [
        ("same-even", "untested"),
        ("same-odd", "confirmed"),
    ]


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    trials = [sample.divergent(2, claims=["same-even"]), sample.trial(3, file="elsewhere.yaml")]
    trials += [sample.known(5, file="elsewhere.yaml"), sample.trial(7, layer="Dense", claims=["[red]dense"])]
    sample.store(tmp_path, trials, unchecked=sample.UNCHECKED)
    return str(tmp_path)


def test_claims_tell_condition_releases_and_what_to_do_next(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", ledger]) == 0
    out = capsys.readouterr().out
    words = " ".join(out.split())
    assert "\x1b" not in out
    for part in ("not sought", "same-even: same pads alike", "r2.1: Differences", "1 of 2", "0 of 1", "[red]dense"):
        assert part in words, part
    assert "Conv2d, r2.1 'Differences with torch.nn.Conv2d' (en): 1 refuted, 1 conditional; about mindspore 2.1" in out
    assert "torch 1.8.1; measured: mindspore 2.10.0, torch 2.13.0" in out
    assert "3 claims: 1 confirmed, 1 refuted, 1 conditional, 0 untested" in out
    assert "1 statement cannot be checked" in out and "it is faster there" not in out
    assert out.splitlines()[-1].startswith("next: ") and "python -m harness compare" in out.splitlines()[-1]


def test_claims_list_the_unchecked_where_asked(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["claims", ledger, "--unchecked"]) == 0
    assert "Note 2: it is faster there (time is not compared)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--verdict", "refuted"], ["same-even"]),
        (["--verdict", "refuted", "--verdict", "conditional"], ["same-even", "same-odd"]),
        (["--layer", "Dense"], ["[red]dense"]),
        (["--layer", "Dense", "--verdict", "refuted"], []),
    ],
)
def test_claims_can_be_narrowed(
    ledger: str, arguments: list[str], ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["claims", ledger, "--json", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in found["claims"]] == ids
    assert len(found["unchecked"]) == ("Dense" not in arguments)


def test_claims_of_incomplete_results_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.store(tmp_path, [sample.trial()], planned=9)
    assert main(["claims", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("INCOMPLETE") for line in lines)
    assert lines[-1].startswith("next: complete the results")
    assert main(["claims", str(tmp_path), "--json"]) == 1


def test_claims_of_a_part_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.store(tmp_path, [sample.trial()], selected="-k same")
    assert main(["claims", str(tmp_path)]) == 0
    assert "PART: only this was run, and judged: -k same" in capsys.readouterr().out
    assert main(["claims", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["selected"] == ["-k same"]


def test_an_interrupt_is_one_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.commands.claims.merge", interrupted)
    assert main(["claims"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


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
