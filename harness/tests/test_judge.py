"""Trials of miniature layers in a process apart: what is right, what is wrong, and what ends the process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import plan
from harness.apart.judge import Judge, Setup
from harness.backends import targets
from harness.casefile import CaseFile
from harness.model import Lane
from harness.tests import mini

FILE = """
layer: Affine
honest: {call: honest.Linear, with: {ci: =ci, co: =ci}}
mini: {call: mini.Bounded, with: {ci: =ci, co: =ci, a: =a, b: =b, beyond: =does}}
state: {weight: {shape: [=ci, =ci]}, bias: {shape: [=ci]}}
inputs: {x: [2, 3, 5, =ci]}
values: {ci: 4, a: 1, b: 1, does: right}
families:
  same: {because: a test, sweep: {a: [1, 2, 3, 4], b: [1, 2]}, expect: equal}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFile:
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy", "torch"))
    path = tmp_path / "affine.yaml"
    path.write_text(FILE)
    return plan.read_case_file(path)


@pytest.fixture
def judge(file: CaseFile) -> Iterator[Judge]:
    with Judge(Setup(file.path, mini.HONEST, mini.MINI), limit=1.0) as made:
        yield made


def test_a_trial_is_judged_in_another_process(file: CaseFile, judge: Judge) -> None:
    same, different = (judge.record(file.families[0], {"a": a, "b": 2}) for a in (2, 3))
    assert (same["verdict"], same["trial"]) == ("bitwise", "affine/same/a=2,b=2,float32,mini@cpu")
    assert (different["verdict"], different["diagnosis"]["kind"]) == ("value", "shifted")
    assert {each["lane"] for each in different["comparisons"]} == {"exact", "rounding"}
    assert same["file"] == str(file.path)
    assert judge.runs == 2


def test_only_the_lanes_asked_for_are_run(file: CaseFile, judge: Judge) -> None:
    record = judge.record(file.families[0], {"a": 3, "b": 2}, [Lane.ROUNDING])
    assert {each["lane"] for each in record["comparisons"]} == {"rounding"}


@pytest.mark.parametrize(("does", "verdict"), [("abort", "crash"), ("hang", "timeout")])
def test_what_ends_the_process_is_that_trials_result(file: CaseFile, judge: Judge, does: str, verdict: str) -> None:
    record = judge.record(file.families[0], {"a": 9, "b": 9, "does": does})
    assert (record["verdict"], record["error"]["type"]) == (verdict, verdict)
    assert {"crash": "Aborted", "timeout": "Timeout"}[verdict] in record["error"]["message"]
    assert judge.record(file.families[0], {"a": 1, "b": 1})["verdict"] == "bitwise"


def test_it_can_be_started_before_the_first_trial(file: CaseFile, judge: Judge) -> None:
    judge.start()
    assert judge.record(file.families[0], {"a": 1, "b": 1})["verdict"] == "bitwise"
    assert judge.runs == 1
