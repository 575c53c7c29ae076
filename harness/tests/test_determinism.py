"""The same calls again, on more threads; and how what differs is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import plan, runner, trial_record
from harness.backends import targets
from harness.determinism import table, threads
from harness.matrix import divergence_matrix, frame
from harness.model import Tier
from harness.records import Record, merge
from harness.tests import mini, sample

FILE = """
layer: Affine
honest: {call: honest.Linear, with: {ci: =ci, co: =ci}}
mini: {call: "mini.LAYER", with: {ci: =ci, co: =ci}}
state: {weight: {shape: [=ci, =ci]}, bias: {shape: [=ci]}}
inputs: {x: [2, 3, 5, =ci]}
families:
  plain: {because: a test, sweep: {ci: [3, 4, 5]}, expect: equal}
"""


@pytest.fixture(autouse=True)
def miniature_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy", "torch"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def recorded(tmp_path: Path, layer: str) -> list[dict[str, Any]]:
    """The records of a run of three cases of a layer, on one thread."""
    path = tmp_path / "cases" / "affine.yaml"
    path.parent.mkdir()
    path.write_text(FILE.replace("LAYER", layer))
    origin = trial_record.Origin("cases/affine.yaml", Tier.DEFAULT)
    trials = plan.trials(plan.load_case_file(path).families[0], plan.Selection(mini.HONEST, (mini.MINI,)))
    again = [replace(each, again=True) for each in trials]
    return [trial_record.to_record(each, origin, runner.run(each, mini.open_backend)) for each in again]


@pytest.mark.parametrize(("layer", "differing"), [("Linear", []), ("Threaded", ["subject"])])
def test_who_changes_with_the_threads_is_named(tmp_path: Path, layer: str, differing: list[str]) -> None:
    records, said = recorded(tmp_path, layer), list[str]()
    found = threads.compare(threads.wanted(records), tmp_path, said.append)
    assert found["asked"] == sorted(each["trial"] for each in records)
    assert found["differing"] == ({each["trial"]: differing for each in records} if differing else {})
    assert "3 of 3 again on 2 threads" in said[-1]


def test_a_process_that_ends_early_costs_what_it_did_not_come_to(tmp_path: Path) -> None:
    records = recorded(tmp_path, "Linear")
    (tmp_path / "cases" / "affine.yaml").write_text(FILE.replace("LAYER", "Linear").replace("[3, 4, 5]", "[3"))
    assert threads.compare(threads.wanted(records), tmp_path, print)["asked"] == []


def test_only_repeated_trials_in_the_plain_mode_that_went_through_are_run_again() -> None:
    steady = {"reference": True, "subject": True}
    digests = {"reference": "a", "subject": "b"}
    good = sample.trial(1, steady=steady, digests=digests, file="cases/x.yaml")
    others = [
        sample.trial(2, steady={}, digests=digests, file="cases/x.yaml"),
        sample.trial(3, steady=steady, digests={"subject": "b"}, file="cases/x.yaml"),
        sample.trial(4, steady=steady, digests=digests, subject="mindspore@cpu:graph", file="cases/x.yaml"),
    ]
    assert [each["trial"] for each in threads.wanted([good, *others])] == [good["trial"]]


def test_what_differs_is_a_column_of_its_own_and_no_divergence(tmp_path: Path) -> None:
    steady, moody = {"reference": True, "subject": True}, {"reference": True, "subject": False}
    trials = [sample.trial(1, steady=steady), sample.trial(2, steady=moody), sample.trial(3)]
    path = sample.store(tmp_path, trials)
    text = path.read_text().splitlines()
    name = trials[0]["trial"]
    footer = {**json.loads(text[-1]), "threads": {"count": 2, "asked": [name], "differing": {name: ["subject"]}}}
    path.write_text("\n".join([*text[:-1], json.dumps(footer)]) + "\n")
    found = merge([path])
    counts = divergence_matrix(frame(found)).iloc[0]
    assert counts[["repeated", "repeat_differs", "threaded", "threads_differ", "diverging"]].tolist() == [2, 1, 1, 1, 0]
    assert table.lines(found) == [
        "determinism      mindspore@cpu: the same call twice gives the same in 1 of 2 trials, "
        "two threads what one gives in 0 of 1",
        "determinism      torch@cpu: the same call twice gives the same in 2 of 2 trials, "
        "two threads what one gives in 1 of 1",
    ]


def test_of_very_many_a_part_is_run_that_does_not_depend_on_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST", 5)
    many = [{"trial": f"t{number}", "digests": {}} for number in range(30)]
    asked: list[list[str]] = []

    def run(trials: Sequence[Record], *_: Any) -> dict[str, dict[str, str]]:
        asked.append([each["trial"] for each in trials])
        return {}

    monkeypatch.setattr(threads, "_run", run)
    for trials in (many, many[::-1], many[:5]):
        threads.compare(trials, Path(), lambda _: None)
    assert len(asked[0]) == 5 and asked[1] == asked[0][::-1]
    assert asked[0] != asked[2] == ["t0", "t1", "t2", "t3", "t4"]
