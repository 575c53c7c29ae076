"""What continuous integration runs: every command line of it is one that there is, and no night is silently whole."""

from __future__ import annotations

import argparse
import importlib
import itertools
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import harness.commands
from harness.plan import Shard, parse_shard
from harness.tests import sample

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: YAML(typ="safe").load(path) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
JENKINSFILE = (ROOT / "Jenkinsfile").read_text(encoding="utf-8")
# What stands for a shell's variables in the command lines.
VARIABLES = {
    "NAME": "cpu-1",
    "SHARD": "1/2",
    "SUBJECT": "mindspore@cpu",
    "REFERENCE": "golden:torch.safetensors",
    "WORKERS": "1",
}


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step of every job, and where it is."""
    for name, workflow in WORKFLOWS.items():
        for job, content in workflow["jobs"].items():
            yield from ((f"{name}/{job}", step) for step in content["steps"])


def scripts() -> Iterator[tuple[str, str]]:
    """The texts that hold command lines, each with a name."""
    yield from ((place, step["run"]) for place, step in steps() if "run" in step)
    yield from (("Jenkinsfile", found) for found in re.findall(r"'''(.*?)'''", JENKINSFILE, re.DOTALL))
    yield ".ci/merge", (ROOT / ".ci" / "merge").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    yield "README.md", "\n".join(line[4:] for line in readme.splitlines() if line.startswith("    "))


def command_lines(program: str) -> list[Any]:
    """The arguments of each line that starts with this program, up to a pipe."""
    found = []
    for place, text in scripts():
        for line in text.replace("\\\n", " ").splitlines():
            said = line.strip().removesuffix(" || true")
            if said.startswith(f"{program} ") and "…" not in said:
                said = re.sub(r"\$(\w+)", lambda name: VARIABLES[name[1]], said)
                said = said.replace('"${found[@]}"', "results/cpu-1").replace('"${against[@]}"', "--against previous")
                words = shlex.split(said, comments=True)[len(program.split()) :]
                words = list(itertools.takewhile(lambda word: word not in ("|", "||", "&&"), words))
                found.append(pytest.param(words, id=f"{place}: {' '.join(words)}"))
    assert found
    return found


@pytest.mark.parametrize("words", command_lines("python -m harness"))
def test_the_harness_has_each_command(words: list[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    commands = parser.add_subparsers(required=True)
    for module in pkgutil.iter_modules(harness.commands.__path__):
        importlib.import_module(f"harness.commands.{module.name}").register(commands)
    parser.parse_args(words)


@pytest.mark.parametrize("words", command_lines("pytest"))
def test_pytest_takes_each_option(pytester: pytest.Pytester, words: list[str]) -> None:
    config = pytester.parseconfig("-p", "harness.plugin", *words)
    parse_shard(config.option.shard)
    assert config.option.tier in ("smoke", "default", "full")


# -- the workflows -----------------------------------------------------------------------------------------------------


def test_every_action_is_pinned_to_a_commit() -> None:
    used = [step["uses"] for _, step in steps() if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", each)] == []


def test_what_a_run_left_is_kept_even_when_it_is_red() -> None:
    uploads = [(place, step) for place, step in steps() if "upload-artifact" in step.get("uses", "")]
    assert [place for place, step in uploads if "always()" not in step.get("if", "")] == ["nightly/golden"]
    assert len(uploads) == 5


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_asks_for_little_and_ends(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 240
        assert job.get("permissions", {}).items() <= {"contents": "read", "actions": "read"}.items()


def test_no_script_has_an_expression_in_it() -> None:
    assert [step["run"] for _, step in steps() if "${{" in step.get("run", "")] == []


def test_the_report_expects_every_shard_of_the_matrix() -> None:
    run, report = (WORKFLOWS["nightly"]["jobs"][job] for job in ("run", "report"))
    matrix = run["strategy"]["matrix"]
    assert report["env"]["EXPECTED"].split() == [f"{kind}-{n}" for kind in matrix["runner"] for n in matrix["shard"]]
    assert [row["runner"] for row in matrix["include"]] == matrix["runner"]
    count = parse_shard(run["env"]["SHARD"].replace("${{ matrix.shard }}", "1")).count
    assert matrix["shard"] == list(range(1, count + 1))
    assert run["strategy"]["fail-fast"] is False
    assert report["if"] == "always()"


def test_jenkins_runs_the_same_night() -> None:
    matrix = WORKFLOWS["nightly"]["jobs"]["run"]["strategy"]["matrix"]

    def listed(text: str) -> list[str]:
        return re.findall(r"'([\w:@./,-]*)'", text)

    kinds, shards = (re.search(rf"^{name} = \[(.*)\]", JENKINSFILE, re.MULTILINE) for name in ("KINDS", "SHARDS"))
    assert kinds is not None and shards is not None
    assert listed(kinds[1]) == matrix["runner"]
    assert [int(each) for each in listed(shards[1])] == matrix["shard"]
    assert [listed(each) for each in re.findall(r"values (.*)", JENKINSFILE)] == [listed(kinds[1]), listed(shards[1])]
    for constant in ("device", "extras", "reference", "workers", "setup"):
        found = re.search(rf"^{constant.upper()} = \[(.*)\]", JENKINSFILE, re.MULTILINE)
        assert found is not None
        pairs = dict(re.findall(r"(\w+): '([^']*)'", found[1]))
        assert pairs == {row["runner"]: str(row.get(constant, "")) for row in matrix["include"]}


# -- the end of a night ------------------------------------------------------------------------------------------------


def merged(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """What ``.ci/merge`` says in this folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    command = [str(ROOT / ".ci" / "merge"), *names]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def night(folder: Path, *, red: bool = False) -> None:
    """Two shards of a run, with a known divergence, and with a new one if red."""
    last = sample.divergent(9) if red else sample.trial(9)
    sample.store(folder / "cpu-1", [sample.trial(3), sample.known(4)], shard="1/2")
    sample.store(folder / "cpu-2", [sample.trial(5), last], shard="2/2")


def published(folder: Path) -> set[str]:
    return {path.name for path in (folder / "nightly").iterdir()}


bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@bash
def test_a_whole_night_with_known_divergences_is_green(tmp_path: Path) -> None:
    night(tmp_path / "results")
    night(tmp_path / "previous" / "results", red=True)
    done = merged(tmp_path, "cpu-1", "cpu-2")
    assert done.returncode == 0, done.stderr
    assert "against previous/results, classes: 0 new, 1 fixed" in done.stdout
    assert {"report.html", "report.md", "classes.csv", "results", "summary.md"} <= published(tmp_path)
    assert "INCOMPLETE.txt" not in published(tmp_path)
    assert (tmp_path / "nightly" / "results" / "cpu-2" / "results.jsonl").is_file()


@bash
def test_new_classes_and_runners_that_are_down_are_red_and_said(tmp_path: Path) -> None:
    night(tmp_path / "results", red=True)
    assert merged(tmp_path, "cpu-1", "cpu-2").returncode == 1
    assert "INCOMPLETE.txt" not in published(tmp_path)
    night(tmp_path / "results")
    done = merged(tmp_path, "cpu-1", "cpu-2", "ascend910b-1")
    assert done.returncode == 1
    assert "INCOMPLETE: no results of ascend910b-1" in done.stdout
    assert (tmp_path / "nightly" / "INCOMPLETE.txt").read_text().count("\n") == 1
    assert (tmp_path / "nightly" / "summary.md").read_text().startswith("**INCOMPLETE: no results of ascend910b-1")
    assert "report.html" in published(tmp_path)


@bash
def test_a_shard_that_is_missing_and_a_night_without_any_are_said(tmp_path: Path) -> None:
    night(tmp_path / "results")
    shutil.rmtree(tmp_path / "results" / "cpu-2")
    assert merged(tmp_path, "cpu-1", "cpu-2").returncode == 1
    assert (tmp_path / "nightly" / "INCOMPLETE.txt").read_text().count("INCOMPLETE") == 2
    shutil.rmtree(tmp_path / "results")
    assert merged(tmp_path, "cpu-1").returncode == 1
    assert (tmp_path / "nightly" / "summary.md").read_text().startswith("**INCOMPLETE: no results of cpu-1")


def test_a_shard_is_written_as_it_is_read() -> None:
    assert parse_shard(VARIABLES["SHARD"]) == Shard(1, 2)
