"""Whole runs that play goldens back, and the command that records them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness import plan
from harness.__main__ import main
from harness.backends import targets
from harness.commands import record
from harness.golden import player, stored
from harness.model import Target, Tier
from harness.plan import Shard
from harness.recording import take
from harness.recording.take import REFERENCE, SUBJECT, Wanted
from harness.records import read
from harness.tests.mini import HONEST, MINI, open_backend
from harness.tests.test_frameworks import ROOT, TORCH, conformance
from harness.tests.test_frameworks import pytestmark as both_frameworks
from harness.tests.test_plugin import RIGHT, WRONG, Project, family, project

pytest_plugins = ["pytester"]
__all__ = ["project"]

# torch lists words in an order that depends on it.
SEED = "PYTHONHASHSEED"


@pytest.fixture
def miniatures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy"))


def golden(project: Project, target: Target = HONEST, side: str = REFERENCE) -> str:
    """A golden of the project's case files, as a target's name."""
    wanted = Wanted(target, side, Tier.DEFAULT, Shard())
    files = [plan.load_case_file(path) for path in plan.case_paths(project.path / "cases")]
    path = project.path / f"{side}.safetensors"
    take.take(take.planned(files, wanted), wanted, open_backend, lambda line: None).write(path)
    return f"golden:{path.name}"


def play(
    project: Project, *arguments: str, reference: str = "honest@cpu", subject: str = "mini@cpu"
) -> pytest.RunResult:
    """Run pytest there against these targets alone: a subject given on top of the folder's own is one more."""
    return project.run("-o", "addopts=", *arguments, "--reference", reference, "--subject", subject)


def seen(project: Project) -> dict[str, tuple[Any, ...]]:
    """Verdict, status and comparisons of each trial, by its case."""
    return {each["case"]: (each["verdict"], each["status"], each["comparisons"]) for each in project.trials.values()}


@pytest.mark.usefixtures("miniatures")
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_needs_no_framework_whose_golden_it_has(project: Project, workers: str) -> None:
    project.layer("Affine", RIGHT, WRONG)
    project.run("-n", "0")
    live = seen(project)
    reference, subject = golden(project), golden(project, MINI, SUBJECT)
    for sides in ({"reference": reference}, {"subject": subject}, {"reference": reference, "subject": subject}):
        result = play(project, "-n", workers, **sides)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert (seen(project), project.complete) == (live, True)
    header = project.lines[0]["targets"]
    about = stored.about(project.path / "reference.safetensors")
    assert {header[name]["golden"] for name in (reference, subject)} == {"reference.safetensors", "subject.safetensors"}
    assert header[reference]["sha256"] == about["sha256"]


@pytest.mark.usefixtures("miniatures")
def test_a_failure_of_a_played_back_trial_ends_with_the_command_that_plays_it_back(project: Project) -> None:
    project.layer("Affine", WRONG)
    subject = golden(project, MINI, SUBJECT)
    play(project, "-n", "0", subject=subject)
    line = next(iter(project.trials.values()))["reproducer"]
    words = f"cases/affine.yaml::wrong::ci=3,float32,{subject} --reference honest@cpu --subject {subject}"
    assert line == f"python -m pytest {words}"
    result = project.run("-o", "addopts=--reference honest@cpu", *words.split())
    result.stdout.fnmatch_lines(["*1 failed*"])


@pytest.mark.usefixtures("miniatures")
def test_trials_that_a_golden_has_not_are_not_run_and_say_why(project: Project) -> None:
    project.layer("Affine", RIGHT)
    reference = golden(project)
    project.layer("Affine", RIGHT, family("more", "Linear", sweep="ci: [5]")).layer("Other", RIGHT)
    result = project.run("-n", "0", "--reference", reference)
    assert result.ret == pytest.ExitCode.OK
    found = {each["case"]: each for each in project.trials.values()}
    assert {name: each["verdict"] for name, each in found.items()} == {
        "affine/right/ci=3": "bitwise",
        "affine/right/ci=4": "bitwise",
        "affine/more/ci=5": "not_run",
        "other/right/ci=3": "not_run",
        "other/right/ci=4": "not_run",
    }
    assert "was not recorded: the golden is of another plan" in found["affine/more/ci=5"]["error"]["message"]
    assert "was recorded with other inputs or weights" in found["other/right/ci=3"]["error"]["message"]
    (project.path / "cases" / "affine.yaml").unlink()
    assert project.run("-n", "0", "--reference", reference).ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("option", ["--reference", "--subject"])
def test_a_file_that_is_no_golden_ends_the_run_before_it_starts(project: Project, option: str) -> None:
    project.layer("Affine", RIGHT)
    (project.path / "broken.safetensors").write_bytes(b"\0" * 100)
    for name, words in (("nothing", "no such file"), ("broken", "damaged, or no golden at all")):
        result = project.run(option, f"golden:{name}.safetensors")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = (line for line in result.errlines if line)
        assert line.startswith(f"ERROR: golden:{name}.safetensors: {words}")


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "torch@gpu", "-o", "x"], "torch@gpu cannot be recorded here: "),
        (["--target", "torch@cpu", "-o", ""], "--output '': expected the name of a file"),
        (["--target", "torch@cpu", "-o", "nowhere/x"], "nowhere/x: cannot be written: there is no folder nowhere"),
        (["--target", "torch@cpu", "-o", "."], ".: cannot be written: it is a folder"),
        (["--target", "torch@cpu", "-o", "x", "--shard", "3/2"], "shard '3/2': expected I/N"),
        (["--target", "torch@cpu", "-o", "x"], "no case file in the folder cases"),
        (["--target", "golden:x", "-o", "x"], "golden:x: no such file"),
    ],
)
@both_frameworks
def test_what_cannot_be_recorded_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["record", *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert words in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("miniatures")
def test_repro_and_explore_ask_for_more_than_a_golden_has(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.layer("Affine", WRONG)
    reference = golden(project)
    asked = ["--cases", "cases", "--reference", reference]
    for command in (["repro", "affine/wrong/ci=3,float32,mini@cpu"], ["explore", "Affine", "--subject", "mini@cpu"]):
        assert main([*command, *asked]) == 2
        words = f"error: {reference} cannot run here: it answers what was recorded, and this asks for more"
        assert capsys.readouterr().err == f"{words}; give the target itself: honest@cpu\n"


def test_an_interrupted_recording_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "record", "--target", "torch@cpu", "-o", str(tmp_path / "x")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True) as started:
        assert started.stderr is not None
        started.stderr.readline()
        time.sleep(1)
        os.killpg(started.pid, signal.SIGINT)
        rest = started.stderr.read()
    assert started.returncode == 130
    assert rest.splitlines()[-1] == "interrupted"
    assert list(tmp_path.iterdir()) == []


# -- both frameworks ---------------------------------------------------------------------------------------------------

PART = ("cases/conv1d.yaml", "--tier", "smoke", "--shard", "1/12")


def recorded(target: str, path: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "harness", "record", "--target", target, "-o", str(path), "--json", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, SEED: "0"}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def trials(results: Path) -> dict[str, dict[str, Any]]:
    """The records by case and dtype, without what names the targets or tells the time."""
    unlike = ("trial", "reference", "subject", "seconds", "reproducer", "adjudicator")
    found = {}
    for each in read(results).trials:
        comparisons = [{**one, "against": bool(one["against"])} for one in each["comparisons"]]
        kept = {name: value for name, value in each.items() if name not in unlike}
        found[f"{each['case']},{each['dtype']}"] = {**kept, "comparisons": comparisons}
    return found


@both_frameworks
@pytest.mark.parametrize(
    ("subject", "sides"),
    [
        ("mindspore@cpu", ("reference",)),
        ("mindspore@cpu", ("subject",)),
        ("mindspore@cpu:graph", ("reference", "subject")),
    ],
)
def test_the_frameworks_say_the_same_from_goldens(
    subject: str, sides: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SEED, "0")
    live = {"reference": "torch@cpu", "subject": subject}
    given = dict(live)
    for side in sides:
        told = recorded(live[side], tmp_path / side, *PART)
        assert (told["side"], told["provenance"]["framework"]) == (side, live[side].partition("@")[0])
        given[side] = f"golden:{tmp_path / side}"
    found = []
    for results, targets_of in ((tmp_path / "live", live), (tmp_path / "played", given)):
        named = [word for side, target in targets_of.items() for word in (f"--{side}", target)]
        done = conformance("-n", "1", *PART, *named, results=results)
        assert done.returncode == 0, done.stdout
        found.append(trials(results))
    assert found[0]
    assert found[1] == found[0]


@both_frameworks
def test_a_recorded_framework_is_never_imported(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    recorded(str(TORCH), path, *PART)
    (tmp_path / "torch.py").write_text("raise AssertionError('torch was imported')\n")
    script = f"""
import sys
from harness.backends import targets
target = targets.parse({f"golden:{path}"!r})
assert targets.obstacle(target) is None
told = targets.backend(target, 1).provenance()
print(told["framework"], told["version"].partition("+")[0], targets.title(target.framework), "torch" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stderr, done.stdout.split()[0], done.stdout.split()[-1]) == ("", "torch", "False")
    assert player.parse(f"golden:{path}").kind == "torch@cpu"
    assert record.LIMIT < record.LIMIT_OF_FULL
