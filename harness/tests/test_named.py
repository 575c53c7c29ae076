"""``targets.toml``: what it may say, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.backends import named, targets
from harness.errors import HarnessError
from harness.model import Target
from harness.tests import test_plugin
from harness.tests.test_plugin import Project, family
from harness.tests.test_remote import HERE

pytest_plugins = ["pytester"]
project = test_plugin.project


@pytest.fixture(autouse=True)
def no_other_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(named.VARIABLE, "")  # and gone afterwards, whatever is set in between
    monkeypatch.delenv(named.VARIABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy"))


def write(text: str) -> Path:
    path = Path(named.FILE)
    path.write_text(text, encoding="utf-8")
    return path.absolute()


def test_a_name_is_a_target_somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(
        '[m-2.0]\ntarget = "mini@cpu:graph"\nwhere = "popen//python=env/bin/python//chdir=/tmp"\n'
        '[here]\ntarget = "mini@cpu"\n["far.off"]\ntarget = "honest@cpu"\nwhere = "ssh=me@host//python=env/python"\n'
    )
    python = f"{tmp_path}/env/bin/python"
    assert targets.parse("m-2.0") == Target("mini", "cpu", "graph", "m-2.0", f"popen//python={python}//chdir=/tmp")
    assert (str(targets.parse("m-2.0")), targets.parse("m-2.0").kind) == ("m-2.0", "mini@cpu:graph")
    assert targets.parse("here") == Target("mini", "cpu", name="here")
    assert targets.parse("far.off").where == "ssh=me@host//python=env/python", "another host has paths of its own"
    assert targets.obstacle(targets.parse("m-2.0")) == f"no interpreter {python}; make it, with: tox run -e targets"
    assert targets.obstacle(targets.parse("here")) is None
    # A process of ours that works in another folder finds the same file.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert targets.parse("here") == Target("mini", "cpu", name="here")


def test_two_frameworks_are_not_in_one_process_on_an_accelerator() -> None:
    assert targets.parse("mini@gpu").where == targets.OWN_PROCESS
    assert targets.parse("mini@cpu").where == ""
    write('[card]\ntarget = "mini@ascend"\n')
    assert targets.parse("card").where == targets.OWN_PROCESS


def test_a_file_in_this_folder_comes_before_one_found_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write('[there]\ntarget = "mini@cpu"\n')
    targets.parse("there")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write('[here]\ntarget = "mini@cpu"\n')
    assert str(targets.parse("here")) == "here"
    with pytest.raises(HarnessError, match="target 'there'"):
        targets.parse("there")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a\n", "cannot be read: "),
        ("[a]\n", "[a]: no 'target', as in target = \"mindspore@cpu\""),
        ('[a]\ntarget = "mini@cpu"\nwere = "popen"\n', "[a]: unknown key 'were' (did you mean 'where'?)"),
        ("[a]\ntarget = 3\n", "[a]: target: expected a text that is not empty"),
        (
            '[a]\ntarget = "mini@cpu"\nwhere = "pipe//python=x"\n',
            "[a]: where: 'pipe//python=x' starts with no way there (did you mean 'popen'?)",
        ),
        ('[a]\ntarget = "mini@cpu"\nwhere = "ssh//python=x"\n', "[a]: where: 'ssh//python=x' names no host"),
        (
            '[a]\ntarget = "mini@cpu"\nwhere = "popen//pyton=x"\n',
            "[a]: where: execnet knows no 'pyton' (did you mean 'python'?)",
        ),
        ('[a]\ntarget = "minni@cpu"\n', "[a]: target 'minni@cpu': unknown framework (did you mean 'mini'?)"),
        ('["a b"]\ntarget = "mini@cpu"\n', "[a b]: expected a name of letters"),
        ('["a@b"]\ntarget = "mini@cpu"\n', "[a@b]: expected a name of letters"),
        ("a = 3\n", "[a]: expected a table with the keys target and where"),
    ],
)
def test_a_bad_file_is_told_in_a_line(text: str, words: str) -> None:
    path = write(text)
    with pytest.raises(HarnessError) as caught:
        targets.parse("a")
    assert f"{path}: {words}" in str(caught.value)


def test_a_name_that_stands_nowhere_is_told_with_those_that_do() -> None:
    with pytest.raises(HarnessError, match=r"target 'm-2.0': expected .*; there is no targets\.toml here"):
        targets.parse("m-2.0")
    write('[m-2.1]\ntarget = "mini@cpu"\n[a]\ntarget = "minni@cpu"\n')
    with pytest.raises(HarnessError, match=r"names others \(did you mean 'm-2\.1'\?\)"):
        targets.parse("m-2.0")
    with pytest.raises(HarnessError, match="target 'minni@cpu': unknown framework"):
        targets.parse("a")


CRASHES = family("crash", "Crash", "how: [abort, exit, memory]")


def test_each_death_costs_its_own_trial_of_its_own_target(project: Project) -> None:
    met = project.path / "met"
    once, hang = family("once", "Crash", f"how: ['once:{met}']"), family("hang", "Hang", "how: [unlocked]")
    (project.path / "targets.toml").write_text(
        f'[there]\ntarget = "mini@cpu"\nwhere = "{HERE}"\n'
        f'[also]\ntarget = "mini@cpu"\nwhere = "{HERE}"\n'
        f'[broken]\ntarget = "mini@cpu"\nwhere = "popen//python=/bin/false"\n'
        f'[missing]\ntarget = "mini@cpu"\nwhere = "popen//python=no/such/python"\n'
    )
    subjects = [argument for name in ("there", "broken", "missing", "also") for argument in ("--subject", name)]
    project.layer("Affine", CRASHES, test_plugin.RIGHT, once, hang)
    project.pytester.makeini(test_plugin.SETTINGS.replace(" --subject mini@cpu", ""))
    found = project.run("-n", "1", "--trial-limit", "2", *subjects, "-k", "not also or right")
    records = [json.loads(line) for line in project.results.read_text().splitlines()]
    trials = {each["trial"]: each for each in records if each["type"] == "trial"}
    assert records[-1]["recorded"] == records[0]["planned"] == len(trials) == 3 * (3 + 2 + 1 + 1) + 2
    there = {name.rpartition(",float32")[0].partition("/")[2]: each for name, each in trials.items() if "there" in name}
    reasons = {name: each["error"]["message"] for name, each in there.items() if each["verdict"] == "crash"}
    assert {name: words.partition(":")[0] for name, words in reasons.items()} == {
        "crash/how=abort": "killed by SIGABRT",
        "crash/how=exit": "it exited with code 3",
        "crash/how=memory": "out of memory",
    }
    assert {name for name, each in there.items() if each["verdict"] == "timeout"} == {"hang/how=unlocked"}
    assert {there[f"right/ci={ci}"]["verdict"] for ci in (3, 4)} == {"bitwise"}
    [flaky] = [each for name, each in there.items() if name.startswith("once/")]
    assert flaky["verdict"] == "bitwise"
    assert flaky["note"] == "tried a second time, since at the first one the process died: killed by SIGABRT"
    assert there["crash/how=abort"]["error"]["side"] == "subject"
    assert "in compute" in there["crash/how=abort"]["trace"]
    for name, words in (("broken", "cannot be started"), ("missing", "no interpreter")):
        rest = [each for trial, each in trials.items() if each["subject"] == name]
        assert {each["verdict"] for each in rest} == {"not_run"}
        assert all(words in each["error"]["message"] for each in rest)
    # The header tells of a target that the first trial is not of, since it has been asked too.
    assert next(iter(trials.values()))["subject"] != "also"
    for name in ("there", "also"):
        assert (records[0]["targets"][name]["where"], records[0]["targets"][name]["python"][:2]) == (HERE, "3.")
    assert found.ret == 1
