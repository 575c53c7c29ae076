"""Whole pytest runs over miniature case files, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness import records
from harness.records import Writer, merge
from harness.tests.mini import FOLDER

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
LIMIT = 60.0

CONFTEST = f"""
import harness.backends
harness.backends.__path__ += [{str(FOLDER)!r}, {{here!r}}]
pytest_plugins = ["harness.plugin"]
"""
SETTINGS = """
[pytest]
testpaths = cases
filterwarnings = error
addopts = --strict-markers --strict-config --reference honest@cpu --subject mini@cpu
"""
LAYER = """
layer: {layer}
honest: {{call: honest.Linear, with: {{ci: =ci, co: =ci}}}}
mini: {{call: mini.Linear, with: {{ci: =ci, co: =ci}}}}
state: {{weight: {{shape: [=ci, =ci]}}, bias: {{shape: [=ci]}}}}
inputs: {{x: [2, 3, 5, =ci]}}
values: {{ci: 4, how: ""}}
families:
"""
FAMILY = (
    "  {name}: {{because: a test, sweep: {{{sweep}}}, mini: {{call: mini.{call}{arguments}}}, {rest}expect: equal}}\n"
)


def family(name: str, call: str, sweep: str = "ci: [3, 4]", rest: str = "") -> str:
    """A family that runs ``mini.CALL`` in the layer's place."""
    arguments = ", with: {ci: =ci, co: =ci" + (", how: =how" if "how" in sweep else "") + "}"
    return FAMILY.format(name=name, call=call, sweep=sweep, arguments=arguments, rest=rest)


RIGHT, WRONG = family("right", "Linear"), family("wrong", "Shifted")
CAST = family("cast", "HalfCast", rest="dtypes: [float16, float32], tier: smoke, ")


class Project:
    """A folder with case files for the miniature frameworks, and what runs in it leave."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester, self.path = pytester, pytester.path
        pytester.makeini(SETTINGS)
        pytester.makeconftest(CONFTEST.format(here=str(self.path)))
        (self.path / "cases").mkdir()

    def layer(self, name: str, *families: str) -> Project:
        """Add a case file."""
        (self.path / "cases" / f"{name.lower()}.yaml").write_text(LAYER.format(layer=name) + "".join(families))
        return self

    def known(self, *entries: dict[str, Any]) -> Project:
        """Write the accepted divergences."""
        filled = [{"layer": "Affine", "verdict": "value", "reason": "by design", **entry} for entry in entries]
        (self.path / "cases" / "known.yaml").write_text(json.dumps({"known": filled}))
        return self

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest there."""
        return self.pytester.runpytest_subprocess(*arguments, timeout=LIMIT)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start pytest there, in a process group of its own."""
        command = [sys.executable, "-m", "pytest", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def collected(self, *arguments: str) -> list[str]:
        """The trials that pytest would run."""
        lines = self.run("--collect-only", "-q", *arguments).outlines
        return [line.removeprefix("cases/") for line in lines if "::" in line]

    @property
    def results(self) -> Path:
        return self.path / "reports" / "latest" / "results.jsonl"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every record of the last run."""
        return [json.loads(line) for line in self.results.read_text().splitlines()] if self.results.exists() else []

    @property
    def trials(self) -> dict[str, dict[str, Any]]:
        """The trials of the last run, without dtype and subject; each once."""
        found = [line for line in self.lines if line["type"] == "trial"]
        assert len(found) == len({each["trial"] for each in found})
        return {each["trial"].removesuffix(",float32,mini@cpu"): each for each in found}

    @property
    def complete(self) -> bool:
        """Whether the records are whole, footer included."""
        return records.merge([self.results]).complete

    def statuses(self) -> dict[str, str]:
        return {name: each["status"] for name, each in self.trials.items()}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return Project(pytester)


def timeless(lines: Sequence[dict[str, Any]]) -> list[str]:
    """The lines in the order of their ids, without what may differ between two runs."""
    unlike = {"seconds": None, "time": None, "settings": None, "selected": None}
    return sorted(json.dumps({**line, **unlike}, sort_keys=True) for line in lines)


def test_the_same_records_come_out_of_every_number_of_workers(project: Project) -> None:
    project.layer("Affine", RIGHT, WRONG, CAST).layer("Other", RIGHT)
    found = []
    for arguments in ([], ["-n", "0"], ["-n", "2"]):
        result = project.run(*arguments, "-k", "Affine or affine")
        assert (result.ret, project.complete) == (pytest.ExitCode.TESTS_FAILED, True)
        result.assert_outcomes(passed=4, failed=4, deselected=2 if "0" in arguments else 0)
        found.append(project.lines)
        assert project.lines[0]["settings"]["workers"] == int(([*arguments, "1"])[1 if arguments else 0])
    assert timeless(found[0]) == timeless(found[1]) == timeless(found[2])
    assert [line["type"] for line in found[2]] == ["header", *["trial"] * 8, "footer"]
    assert found[0][0]["targets"]["mini@cpu"]["threads"] == 1
    for page in ("report.html", "report.md", "matrix.csv", "claims.csv"):
        assert (project.results.parent / page).stat().st_size


DEATHS = {
    "crash/how=abort": ("crash", "Fatal Python error: Aborted"),
    "crash/how=segv": ("crash", "Fatal Python error: Segmentation fault"),
    "crash/how=exit": ("crash", "the worker died without a trace"),
    "crash/how=kill": ("crash", "the worker died without a trace"),
    "hang/how=locked": ("timeout", "Timeout (0:00:02)"),
    "hang/how=free": ("timeout", "Timeout (0:00:02)"),
}


def test_crashes_and_hangs_cost_one_trial_each(project: Project) -> None:
    crash, hang = (
        family("crash", "Crash", "how: [abort, segv, exit, kill]"),
        family("hang", "Hang", "how: [locked, free]"),
    )
    project.layer("Affine", RIGHT, crash, hang, family("right-after", "Linear", "ci: [3, 4, 5, 6]"))
    project.known({"id": "killed", "families": ["crash"], "when": "how == 'kill'", "verdict": "crash"})
    result = project.run("-n", "2", "--trial-limit", "2", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=6, failed=5, xfailed=1)
    assert (result.ret, project.complete) == (pytest.ExitCode.TESTS_FAILED, True)
    dead = {name: (each["verdict"], each["error"]["message"]) for name, each in project.trials.items() if each["error"]}
    assert dead == {f"affine/{name}": death for name, death in DEATHS.items()}
    assert project.lines[-1]["verdicts"] == {"bitwise": 6, "crash": 4, "timeout": 2}
    for name in ("crash/how=abort", "hang/how=locked"):
        assert "adapter_mini.py" in project.trials[f"affine/{name}"]["trace"]
    result.stdout.fnmatch_lines(["*_ affine/*how=* _*", "new divergence: Affine: expected equal, got *"])
    suite = ElementTree.parse(project.path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("12", "5", "1")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_interrupted_run_keeps_its_records_and_says_so(project: Project, workers: str) -> None:
    project.layer("Affine", family("slow", "Slow", f"ci: {[*range(2, 30)]}"))
    process = project.start("-n", workers)
    try:
        deadline = time.monotonic() + LIMIT
        while len(project.lines) < 4 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    kinds = Counter(line["type"] for line in project.lines)
    assert kinds["header"] == 1
    assert 3 <= kinds["trial"] < 28
    assert kinds["footer"] == 0
    assert "INCOMPLETE" in output
    assert f"{kinds['trial']} of 28 trials recorded" in (project.results.parent / "report.md").read_text()


SELECTED: list[tuple[list[str], list[str]]] = [
    ([], ["right::ci=3", "right::ci=4", "wrong::ci=3", "wrong::ci=4", "cast::ci=3", "cast::ci=4"]),
    (["-k", "wrong or float16"], ["wrong::ci=3", "wrong::ci=4", "cast::ci=3", "cast::ci=4"]),
    (["-m", "smoke and float32"], ["cast::ci=3", "cast::ci=4"]),
    (["-m", "level0 and cpu_linux"], ["cast::ci=3", "cast::ci=4"]),
    (
        ["-m", "level1 and platform_x86_cpu and env_onecard"],
        ["right::ci=3", "right::ci=4", "wrong::ci=3", "wrong::ci=4"],
    ),
    (["-m", "platform_ascend910b"], []),
    (["--tier", "smoke"], ["cast::ci=3", "cast::ci=4"]),
    (["cases/affine.yaml::wrong"], ["wrong::ci=3", "wrong::ci=4"]),
    (["cases/affine.yaml::wrong::ci=4,float32,mini@cpu"], ["wrong::ci=4"]),
]


@pytest.mark.parametrize(("arguments", "trials"), SELECTED, ids=[" ".join(each[0]) or "all" for each in SELECTED])
def test_people_select_as_they_do_elsewhere(project: Project, arguments: list[str], trials: list[str]) -> None:
    project.layer("Affine", RIGHT, WRONG, CAST)
    found = [name.removeprefix("affine.yaml::").split(",float")[0] for name in project.collected(*arguments)]
    assert list(dict.fromkeys(found)) == trials
    assert not project.results.parent.exists()


def test_the_platform_is_the_subjects(project: Project) -> None:
    project.layer("Affine", RIGHT, CAST)
    more = ["--subject=mini@ascend", "--subject=mini@gpu", "-m"]
    found = {mark: project.collected(*more, f"level0 and float32 and {mark}") for mark in ("platform_gpu", "onecard")}
    assert found["platform_gpu"] == [f"affine.yaml::cast::ci={ci},float32,mini@gpu" for ci in (3, 4)]
    assert len(found["onecard"]) == 6
    ascend = project.collected(*more, "level1 and platform_ascend910b and unessential")
    assert ascend == [f"affine.yaml::right::ci={ci},float32,mini@ascend" for ci in (3, 4)]


def test_failing_first_and_last(project: Project) -> None:
    project.layer("Affine", RIGHT, WRONG, family("right-after", "Linear"))
    stopped = project.run("-x", "-n", "0")
    assert (stopped.ret, project.complete) == (pytest.ExitCode.TESTS_FAILED, False)
    assert list(project.trials) == ["affine/right/ci=3", "affine/right/ci=4", "affine/wrong/ci=3"]
    stopped.stdout.fnmatch_lines(["INCOMPLETE: *3 of 6 trials recorded*"])
    project.run("-n", "0").assert_outcomes(passed=4, failed=2)
    again = project.run("--lf", "-n", "2")
    again.assert_outcomes(failed=2)
    assert (sorted(project.trials), project.complete) == (["affine/wrong/ci=3", "affine/wrong/ci=4"], True)
    assert project.lines[0]["selected"] == "--lf"


def test_a_file_without_trials_of_the_tier_is_not_left_out(project: Project) -> None:
    project.layer("Affine", CAST).layer("Other", RIGHT)
    for arguments, selected in (("--tier smoke", "all"), ("", "all"), ("cases/affine.yaml", "cases/affine.yaml")):
        project.run("-n", "0", *arguments.split())
        assert project.lines[0]["selected"] == selected


@pytest.mark.parametrize("workers", ["0", "1"])
def test_runs_without_the_cache(project: Project, workers: str) -> None:
    project.layer("Affine", RIGHT)
    project.run("-p", "no:cacheprovider", "-n", workers).assert_outcomes(passed=2)
    assert (project.complete, project.lines[0]["selected"]) == (True, "all")


def test_a_failure_starts_with_its_reason_and_ends_with_its_reproducer(project: Project) -> None:
    project.layer("Affine", WRONG)
    project.run("-n", "0", "--junitxml", "junit.xml")
    failure = ElementTree.parse(project.path / "junit.xml").getroot().find(".//failure")
    assert failure is not None and failure.text
    first, *_, last = failure.text.splitlines()
    assert first.startswith("new divergence: Affine: expected equal, got value; mini's output is honest's")
    assert last == project.trials["affine/wrong/ci=3"]["reproducer"]
    assert last.startswith("python -m harness compare 'honest.Linear(ci=3, co=3)' 'mini.Shifted(ci=3, co=3)'")
    assert "off        subject" in failure.text
    assert "honest@cpu float64" in failure.text


BAD_FILES = [
    (
        "bad.yaml",
        LAYER.format(layer="Bad") + RIGHT.replace("because", "becuase"),
        "unknown key (did you mean 'because'?)",
    ),
    ("known.yaml", "known: [{id: a, layer: Affine, families: [rihgt], verdict: value, reason: r}]", "mean 'right'?)"),
]


@pytest.mark.parametrize("workers", [(), ("-n", "0")], ids=["-n 1", "-n 0"])
@pytest.mark.parametrize(("name", "text", "says"), BAD_FILES, ids=[each[0] for each in BAD_FILES])
def test_a_bad_file_is_one_line_and_nothing_is_run(
    project: Project, workers: Sequence[str], name: str, text: str, says: str
) -> None:
    project.layer("Affine", RIGHT)
    (project.path / "cases" / name).write_text(text)
    result = project.run(*workers)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    errors = [line for line in result.outlines if "bad case file" in line and not line.startswith("ERROR")]
    assert len(errors) == 1
    assert f"cases/{name}:" in errors[0]
    assert errors[0].endswith(says)
    assert not any("Traceback" in line for line in result.outlines)
    assert project.lines == []


def test_a_list_of_known_divergences_that_is_bad_is_one_line_for_a_single_file_too(project: Project) -> None:
    project.layer("Affine", RIGHT).known({"id": "a", "families": ["rihgt"]})
    result = project.run("-n", "0", "cases/affine.yaml")
    assert (result.ret, project.lines) == (pytest.ExitCode.INTERRUPTED, [])
    assert not any("Traceback" in line or "plugin.py" in line for line in result.outlines)
    result.stdout.fnmatch_lines(["*/cases/known.yaml:1:*: bad case file at *did you mean 'right'?)"])


def test_a_bad_file_beside_it_is_no_fault_of_a_good_one(project: Project) -> None:
    project.layer("Affine", RIGHT).known({"id": "a", "layer": "Elsewhere", "families": ["any"]})
    (project.path / "cases" / "elsewhere.yaml").write_text("layer: Elsewhere\nfamilis: {}\n")
    result = project.run("-n", "0", "cases/affine.yaml")
    assert result.ret == 0
    assert set(project.statuses().values()) == {"as_expected"}


def test_known_divergences_are_green_and_said(project: Project) -> None:
    project.layer("Affine", RIGHT, WRONG)
    project.known({"id": "shifted", "families": ["wrong"], "diagnosis": ["shifted"]})
    result = project.run("-n", "0", "-rx")
    result.assert_outcomes(passed=2, xfailed=2)
    assert (result.ret, project.complete) == (pytest.ExitCode.OK, True)
    assert Counter(project.statuses().values()) == {"as_expected": 2, "known": 2}
    result.stdout.fnmatch_lines(["*by design"])


def test_known_divergences_that_vanish_or_change_are_red(project: Project) -> None:
    project.layer("Affine", RIGHT, WRONG, family("third", "Flipped"))
    project.known(
        {"id": "gone", "families": ["right"]},
        {"id": "other-verdict", "families": ["wrong"], "verdict": "shape", "when": "ci == 3"},
        {"id": "other-look", "families": ["wrong"], "diagnosis": ["flipped"], "when": "ci == 4"},
    )
    result = project.run("-n", "0")
    result.assert_outcomes(failed=6)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    by_family = {"right": "unexpected_pass", "wrong": "changed", "third": "new"}
    assert project.statuses() == {f"affine/{name}/ci={ci}": by_family[name] for name in by_family for ci in (3, 4)}
    result.stdout.fnmatch_lines_random(
        [
            "the known divergence 'gone' has vanished here*",
            "the known divergence 'other-verdict' has changed: its verdict is value, accepted is shape",
            "the known divergence 'other-look' has changed: its diagnosis is shifted, accepted is flipped",
        ]
    )


def test_a_known_divergence_that_no_trial_meets_is_red_on_a_whole_run_only(project: Project) -> None:
    project.layer("Affine", RIGHT, family("third", "Linear"))
    project.known({"id": "nowhere", "families": ["right"], "when": "ci == 99"})
    whole = project.run("-n", "0")
    whole.assert_outcomes(passed=4)
    assert whole.ret == pytest.ExitCode.TESTS_FAILED
    whole.stdout.fnmatch_lines(["unmatched: no trial met the known divergence 'nowhere'*"])
    part = project.run("-n", "0", "-k", "right")
    assert part.ret == pytest.ExitCode.OK
    part.stdout.no_fnmatch_line("unmatched:*")


def test_a_known_divergence_of_another_target_or_version_is_not_missed_here(project: Project) -> None:
    project.layer("Affine", RIGHT)
    project.known(
        {"id": "elsewhere", "families": ["right"], "subjects": ["mini@ascend"]},
        {"id": "earlier", "families": ["right"], "versions": {"mini": "<1"}},
    )
    assert project.run("-n", "0").ret == pytest.ExitCode.OK


ADAPTER = """
from harness.protocol import Observation
PACKAGE, DEVICES, MODES, REQUIRES = {package!r}, ("cpu",), ("",), "{name}>=1"
def conflict():
    return {conflict!r}
class Adapter:
    def __init__(self, device, mode, threads):
        raise OSError("lib{name}.so is not there")
"""


def test_what_cannot_run_here_is_skipped_with_its_reason(project: Project) -> None:
    reasons = {
        "absent@cpu": "absent is not installed; install it with: python -m pip install 'absent>=1'",
        "broken@cpu": "broken is installed but cannot be set up: OSError: libbroken.so is not there",
        "clashing@cpu": "mend your NumPy",
        "mini@gpu": "no adapter for mini on gpu yet (it has: cpu)",
    }
    packages = {"absent": "no_such_package", "broken": "numpy", "clashing": "numpy"}
    for name, package in packages.items():
        conflict = reasons["clashing@cpu"] if name == "clashing" else None
        text = ADAPTER.format(name=name, package=package, conflict=conflict)
        (project.path / f"adapter_{name}.py").write_text(text)
    project.layer("Affine", family("right", "Linear", "ci: [3]"))
    file = project.path / "cases" / "affine.yaml"
    file.write_text(file.read_text() + "".join(f"{name}: {{call: {name}.Linear}}\n" for name in packages))
    project.known({"id": "not-met", "families": ["right"], "subjects": list(reasons)})
    result = project.run("-n", "0", "-rs", *(f"--subject={target}" for target in reasons))
    assert (result.ret, project.complete) == (pytest.ExitCode.OK, True)
    result.assert_outcomes(passed=1, skipped=4)
    not_run = {each["subject"]: each for each in project.trials.values() if each["verdict"] == "not_run"}
    assert {target: each["error"]["message"] for target, each in not_run.items()} == reasons
    assert {each["status"] for each in not_run.values()} == {"not_run"}
    header = result.outlines[: result.outlines.index("testpaths: cases")]
    assert {line for line in header if line.startswith("NOT RUN")} == {
        f"NOT RUN: {target}: {reasons[target]}" for target in reasons if target != "broken@cpu"
    }


def test_a_run_with_nothing_to_run_on_is_no_pass(project: Project) -> None:
    project.layer("Affine", RIGHT).known({"id": "not-met", "families": ["right"]})
    result = project.run("--reference=honest@gpu", "-n", "0")
    result.assert_outcomes(skipped=2)
    assert project.lines[-1]["verdicts"] == {"not_run": 2}
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["NOT RUN: honest@gpu: no adapter*", "next: mend what keeps the targets from running*"])


def test_shards_part_the_plan(project: Project) -> None:
    project.layer("Affine", RIGHT, WRONG, CAST, family("more", "Linear", f"ci: {[*range(1, 9)]}"))
    whole, first, second = (set(project.collected("--shard", shard)) for shard in ("1/1", "1/2", "2/2"))
    assert first | second == whole
    assert not first & second
    assert first
    assert second


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-n", "2", "--dist", "loadscope"], "ERROR: --dist loadscope runs a crashed trial again; use --dist load*"),
        (["--shard", "3/2"], "ERROR: shard '3/2': expected I/N*"),
        (["--reference", "hornest@cpu"], "ERROR: target 'hornest@cpu': unknown framework (did you mean 'honest'?)"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(project: Project, arguments: list[str], says: str) -> None:
    project.layer("Affine", RIGHT)
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert next(line for line in result.errlines if line).startswith("ERROR")
    result.stderr.fnmatch_lines([says])


PRINT_FRAMEWORKS = "import sys; {act}; print('IMPORTED', sorted({{'torch', 'mindspore'}} & set(sys.modules)))"


@pytest.mark.parametrize(
    "act",
    [
        "import harness.plugin",
        "import pytest; pytest.main(['--help'])",
        "import pytest; pytest.main(['--collect-only', '-q', '--subject=mindspore@cpu', '--reference=torch@cpu'])",
    ],
)
def test_no_framework_is_imported_to_look_around(project: Project, act: str) -> None:
    both = "torch: {call: torch.nn.Linear}\nmindspore: {call: mindspore.nn.Dense}\n"
    project.layer("Affine", RIGHT)
    file = project.path / "cases" / "affine.yaml"
    file.write_text(file.read_text() + both)
    for name in ("torch", "mindspore"):
        (project.path / f"{name}.py").write_text("")
    result = project.pytester.run(sys.executable, "-c", PRINT_FRAMEWORKS.format(act=act), timeout=LIMIT)
    assert result.ret == 0
    assert result.outlines[-1] == "IMPORTED []"
    if "collect" in act:
        assert sum("::right::" in line for line in result.outlines) == 4


def test_shards_of_a_narrowed_run_merge(project: Project) -> None:
    project.layer("Affine", RIGHT, family("more", "Linear", f"ci: {[*range(1, 9)]}"))
    folders = [f"shard-{index}" for index in (1, 2)]
    for index, folder in enumerate(folders, 1):
        project.run("-n", "0", "--lane", "exact", "--shard", f"{index}/2", "--results", folder)
    merged = merge([project.path / folder for folder in folders])
    assert merged.complete, merged.problems
    assert len(merged.trials) == 10


def test_shards_together_find_what_no_trial_met(project: Project) -> None:
    project.layer("Affine", family("more", "Linear", f"ci: {[*range(1, 9)]}"))
    project.known({"id": "stale", "families": ["more"], "when": "ci == 99"})
    for index in (1, 2):
        assert project.run("-n", "0", "--shard", f"{index}/2", "--results", f"shard-{index}").ret == pytest.ExitCode.OK
    assert merge([project.path / "shard-1", project.path / "shard-2"]).unmatched == ("stale",)
    assert merge([project.path / "shard-1"]).unmatched == ()


def test_a_folder_serves_one_run_at_a_time(project: Project) -> None:
    project.layer("Affine", RIGHT)
    (project.path / "reports" / "latest").mkdir(parents=True)
    held = Writer(project.path / "reports" / "latest" / "results.jsonl")
    result = project.run("-n", "0")
    held.close()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*another run is writing it; choose another folder with --results*"])


@pytest.mark.parametrize("workers", [(), ("-n", "0")], ids=["-n 1", "-n 0"])
def test_a_path_that_is_not_there_is_said(project: Project, workers: Sequence[str]) -> None:
    project.layer("Affine", RIGHT)
    result = project.run("cases/afine.yaml", *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: file or directory not found: cases/afine.yaml"])


def test_a_family_that_is_not_there_is_said(project: Project) -> None:
    project.layer("Affine", RIGHT)
    result = project.run("cases/affine.yaml::rihgt")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["no trial was selected*"])


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--trial-limit=-1", "--trial-limit -1.0: expected seconds, more than 0"),
        ("--trial-limit=nan", "--trial-limit nan: expected seconds, more than 0"),
        ("--threads=0", "--threads 0: expected 1 or more"),
        ("--results=", "--results '': expected the name of a folder"),
    ],
)
def test_options_are_checked(project: Project, option: str, says: str) -> None:
    project.layer("Affine", RIGHT)
    result = project.run(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {says}"])


def test_an_input_that_no_memory_holds_costs_its_own_trial(project: Project) -> None:
    project.layer("Affine", family("huge", "Linear", "ci: [3, 99999999999]"))
    assert project.run("-n", "0").ret == pytest.ExitCode.TESTS_FAILED
    assert project.complete
    assert project.statuses() == {"affine/huge/ci=3": "as_expected", "affine/huge/ci=99999999999": "new"}


CONDITIONAL = """
documents: {d: {title: Differences, mindspore: "2.1"}}
claims: {same: {document: d, where: here, says: both do the same}}
"""
BOUNDED = """\
  bounded:
    claims: [same]
    mini: {call: mini.Bounded, with: {ci: =ci, co: =ci, a: =a, b: =b}}
    sweep: {a: [1, 2, 3, 4], b: [1, 2, 3, 4]}
    expect: equal
"""


def test_a_whole_run_ends_with_the_conditions_of_its_claims(project: Project) -> None:
    project.layer("Affine", BOUNDED).known({"id": "bounded", "families": ["bounded"], "when": "a > b"})
    path = project.path / "cases" / "affine.yaml"
    path.write_text(path.read_text() + CONDITIONAL)
    result = project.run("-n", "2")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["seeking the conditions of 1 conditional claim on fresh cases ...", "sought *"])
    page = (project.results.parent / "report.html").read_text()
    assert "holds iff a &lt;= b: right on" in page
    [(key, found)] = json.loads((project.results.parent / "conditions.json").read_text()).items()
    assert key.startswith("Affine/same/mini@cpu/")
    assert found["right"] == found["fresh"] == found["beyond"] > 20
    # A run that stops early has none, though those of the last run still lie there.
    project.known()
    result = project.run("-x")
    assert result.ret != pytest.ExitCode.OK
    assert "seeking" not in result.stdout.str()
    assert "not sought" in (project.results.parent / "claims.csv").read_text()


# -- shards ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_shard_that_no_trial_falls_to_is_not_missed(project: Project, workers: str) -> None:
    project.layer("Affine", family("one", "Linear", "ci: [3]")).layer("Biased", family("two", "Linear", "ci: [4]"))
    runs = [project.run("-n", workers, "--shard", f"{index}/3", "--results", f"shard-{index}") for index in range(1, 4)]
    assert [run.ret for run in runs] == [pytest.ExitCode.OK] * 3
    folders = [project.path / f"shard-{index}" for index in range(1, 4)]
    read = [records.read(folder) for folder in folders]
    empty = [run for run in read if not run.trials]
    assert empty
    assert all((run.header["planned"], run.header["selected"], run.problems) == (0, "all", ()) for run in empty)
    assert len({json.dumps(run.header["case_files"]) for run in read}) == 1
    told = [line for run in runs for line in run.outlines if line.startswith("no trial fell to shard")]
    assert len(told) == len(empty)
    merged = merge(folders)
    assert merged.complete, merged.problems
    assert len(merged.trials) == 2


def test_a_shard_that_nothing_was_selected_in_leaves_no_older_results(project: Project) -> None:
    project.layer("Affine", RIGHT)
    assert project.run("-n", "0", "--shard", "1/1").ret == pytest.ExitCode.OK
    results = [
        project.run("-n", "0", "--shard", f"{index}/2", "-k", "rihgt", "--results", f"{index}") for index in (1, 2)
    ]
    assert [result.ret for result in results] == [pytest.ExitCode.OK] * 2
    [problem] = merge([project.path / "1", project.path / "2"]).problems
    assert "no trial was selected, here or in another file" in problem


@pytest.mark.parametrize("asked", [["cases/affine.yaml::rihgt"], ["-k", "rihgt", "--shard", "1/1"]])
def test_what_is_not_there_is_no_empty_shard(project: Project, asked: list[str]) -> None:
    project.layer("Affine", RIGHT)
    arguments = asked if "--shard" in asked else [*asked, "--shard", "1/2"]
    assert project.run(*arguments).ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not project.results.exists()


def test_shards_of_other_case_files_are_no_whole(project: Project) -> None:
    project.layer("Affine", RIGHT, family("more", "Linear", f"ci: {[*range(1, 9)]}")).layer("Biased", RIGHT)
    project.run("-n", "0", "--shard", "1/2", "--results", "first")
    (project.path / "cases" / "affine.yaml").write_text(
        (project.path / "cases" / "affine.yaml").read_text() + "\n# x\n"
    )
    project.run("-n", "0", "--shard", "2/2", "--results", "second")
    [problem] = merge([project.path / "first", project.path / "second"]).problems
    assert problem.startswith(
        f"{project.path / 'second' / 'results.jsonl'}: made from another content of cases/affine.yaml"
    )


def test_an_unknown_mark_is_told_in_a_line_with_workers_too(project: Project) -> None:
    result = project.layer("Affine", RIGHT).run("-n", "1", "-m", "level0 and cpu_linx")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: -m: no mark 'cpu_linx' (did you mean 'cpu_linux'[?])*"])
    assert project.run("-n", "1", "-m", "not smoke and (cpu_linux or float32)").ret == pytest.ExitCode.OK


def test_a_subject_that_was_not_run_at_all_is_told_and_leaves_no_report_green(project: Project) -> None:
    project.layer("Affine", RIGHT)
    (project.path / "targets.toml").write_text('[gone]\ntarget = "mini@cpu"\nwhere = "socket=127.0.0.1:9"\n')
    result = project.run("-n", "1", "--subject", "gone")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["NOT RUN: gone: *gone (socket=127.0.0.1:9): cannot be started: *refused*"])
    report = project.pytester.run(sys.executable, "-m", "harness", "report", str(project.results), "-o", "page")
    assert report.ret == 1
    report.stdout.fnmatch_lines(["NOT RUN: gone: *"])


# -- a red run can be read ---------------------------------------------------------------------------------------------

MANY = (family("wrong", "Shifted", "ci: [3, 4, 5, 6]"), family("turned", "Flipped", "ci: [3, 4]"), RIGHT)


def blocks(result: pytest.RunResult) -> list[str]:
    """The headings of the failures that are printed in full."""
    return [line.strip("_ ") for line in result.outlines if line.startswith("___")]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_class_is_one_failure(project: Project, workers: str) -> None:
    project.layer("Affine", *MANY)
    result = project.run("-n", workers, "--junitxml", "junit.xml")
    result.assert_outcomes(failed=6, passed=2)
    assert blocks(result) == ["affine/wrong/ci=3,float32,mini@cpu", "affine/turned/ci=3,float32,mini@cpu"]
    lines = result.outlines
    assert sum(line.startswith("new divergence: Affine") for line in lines) == 2
    assert [line for line in lines if "affine/wrong/ci=4" in line or "wrong::ci=5" in line] == []
    order = [each[:4] for each in lines if each.startswith(("____", "new:", "next:"))]
    assert order == ["____", "____", "new:", "new:", "next"], "the failures, the classes, what to do"
    suite = ElementTree.parse(project.path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("8", "6")
    project.run("--lf", "-n", workers).assert_outcomes(failed=6)


def test_the_other_trials_of_a_class_are_listed_for_who_asks(project: Project) -> None:
    project.layer("Affine", *MANY)
    asked = project.run("-n", "0", "-v")
    assert len(blocks(asked)) == 2
    asked.stdout.fnmatch_lines(["  affine/wrong/ci=4,float32,mini@cpu", "  affine/wrong/ci=6,float32,mini@cpu"])
    for arguments in (["-rf"], ["-ra"], ["--tb=line"]):
        result = project.run("-n", "0", *arguments)
        named = [line for line in result.outlines if "wrong" in line and "ci=5" in line]
        assert named, "pytest's own options go on as people expect"
        result.assert_outcomes(failed=6, passed=2)
    lines = [line for line in project.run("-n", "2", "--tb=line").outlines if line.startswith("affine/")]
    assert [line.partition(",")[0] for line in sorted(lines)] == sorted(
        f"affine/{name}" for name in ("turned/ci=3", "turned/ci=4", *(f"wrong/ci={ci}" for ci in (3, 4, 5, 6)))
    )
    assert all(": new divergence: Affine: expected equal, got value" in line for line in lines)
    assert blocks(project.run("-n", "0", "--tb=no")) == []
    assert len(blocks(project.run("-n", "0", "--maxfail=2"))) == 1, "of what was run until then"


def test_other_failing_tests_are_printed_as_ever(project: Project) -> None:
    project.layer("Affine", *MANY)
    project.pytester.makepyfile(test_own="def test_own():\n    assert 1 == 2, 'mine'\n")
    result = project.run("-n", "0", "cases", "test_own.py")
    result.assert_outcomes(failed=7, passed=2)
    assert blocks(result) == ["test_own", "affine/wrong/ci=3,float32,mini@cpu", "affine/turned/ci=3,float32,mini@cpu"]
