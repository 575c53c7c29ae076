"""Conditions of miniature layers, sought in processes of their own; and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import plan, runner, trial_record
from harness.backends import targets
from harness.ledger import findings, seek
from harness.ledger.claims import Conditional, conditional, ledger
from harness.ledger.findings import CONDITIONS, Finding, State
from harness.model import Tier
from harness.records import Record, Results
from harness.tests import mini, sample

FILE = """
layer: {layer}
documents: {{d: {{title: Differences, mindspore: "2.1", torch: "1.8.1"}}}}
honest: {{call: honest.Linear, with: {{ci: =ci, co: =ci}}}}
mini: {{call: mini.Bounded, with: {{ci: =ci, co: =ci, a: =a, b: =b}}}}
state: {{weight: {{shape: [=ci, =ci]}}, bias: {{shape: [=ci]}}}}
inputs: {{x: [2, 3, 5, =ci]}}
values: {{ci: 4, a: 1, b: 1}}
claims:
{claims}
families:
{families}
"""
CLAIM = "  {name}: {{document: d, where: here, says: both do the same}}\n"
FAMILY = """\
  {name}:
    claims: [{name}]
    mini: {{with: {{beyond: {beyond}}}}}
    sweep: {{a: [1, 2, 3, 4], b: [1, 2, 3, 4]}}
    expect: equal
"""
VERSIONS = {"honest@cpu": {"version": "1.0"}, "mini@cpu": {"version": "1.0"}}


@pytest.fixture(autouse=True)
def miniature_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "frameworks", lambda: ("honest", "mini", "numpy", "torch"))


def measured(tmp_path: Path, layer: str = "Affine", **beyond: str) -> Results:
    """The results of a run of one layer; ``claim="abort"`` says what its subject does beyond the sweep."""
    named = beyond or {"same": "right"}
    path = tmp_path / "cases" / f"{layer.lower()}.yaml"
    path.parent.mkdir(exist_ok=True)
    claims = "".join(CLAIM.format(name=name) for name in named)
    families = "".join(FAMILY.format(name=name, beyond=does) for name, does in named.items())
    path.write_text(FILE.format(layer=layer, claims=claims, families=families))
    file, records = plan.load_case_file(path), list[Record]()
    origin = trial_record.Origin(f"cases/{path.name}", Tier.DEFAULT)
    for trial in plan.trials(file.families[0], plan.Selection(mini.HONEST, (mini.MINI,))):
        record = trial_record.to_record(trial, origin, runner.run(trial, mini.open_backend))
        # The families differ only beyond the sweep.
        for name in named:
            case = record["case"].replace(f"/{file.families[0].name}/", f"/{name}/")
            own = {"trial": f"{case},float32,mini@cpu", "case": case, "family": name, "claims": [name]}
            status = "as_expected" if record["as_expected"] else "known"
            known = None if record["as_expected"] else sample.KNOWN
            records.append({**record, **own, "status": status, "known": known})
    return sample.results(tmp_path / "results", records, targets=VERSIONS)


def sought(results: Results, root: Path, **limits: Any) -> dict[str, Finding]:
    return {key.split("/")[1]: each for key, each in seek.seek(conditional(results), root, print, **limits).items()}


def test_a_planted_condition_is_found_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = measured(tmp_path)
    found = sought(results, tmp_path)["same"]
    assert (found.state, found.expression) == (State.CHECKED, "a <= b")
    assert found.right == found.fresh == found.beyond
    assert found.fresh is not None and found.fresh > 20
    assert "seeking the conditions of 1 conditional claim on" in capsys.readouterr().out


@pytest.mark.parametrize(("does", "limits"), [("abort", {}), ("hang", {"case_limit": 1.0})])
def test_a_subject_that_ends_the_process_costs_its_own_condition_only(
    tmp_path: Path, does: str, limits: dict[str, float]
) -> None:
    found = sought(measured(tmp_path, before="right", bad=does, later="right"), tmp_path, **limits)
    assert found["before"].expression == found["later"].expression == "a <= b"
    assert found["bad"].state is State.FAILED
    assert {"abort": "Aborted", "hang": "Timeout"}[does] in found["bad"].text
    assert "no condition" in found["bad"].text


def test_a_layer_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    found = sought(measured(tmp_path, bad="hang", later="right"), tmp_path, layer_limit=2.0, case_limit=60.0)
    assert {each.state for each in found.values()} == {State.FAILED}
    assert all("too long" in each.text for each in found.values())


def test_what_was_found_is_kept_and_not_sought_again(tmp_path: Path) -> None:
    results, said = measured(tmp_path), list[str]()
    folder = tmp_path / "results"
    wanted = conditional(results)
    first = seek.settle(wanted, [folder], tmp_path, said.append, whole=True)
    assert said and (folder / CONDITIONS).is_file()
    said.clear()
    assert seek.settle(wanted, [folder], tmp_path / "elsewhere", said.append, whole=True) == first
    assert not said
    [row] = [each for each in ledger(results, first) if each.layer == "Affine"]
    assert row.condition.startswith("holds iff a <= b: right on ")
    assert (row.right, row.fresh, row.beyond) == (first[wanted[0].key].right,) * 3


def test_what_was_found_for_other_trials_is_never_shown(tmp_path: Path) -> None:
    results = measured(tmp_path)
    wanted = conditional(results)
    stale = {wanted[0].key: Finding(State.CHECKED, "a < b", 40, 40, 40, 20)}
    assert "a < b" in ledger(results, stale)[0].condition
    first = results.trials[0]
    results.trials[0] = {**first, "as_expected": not first["as_expected"]}
    [changed] = conditional(results)
    assert changed.key != wanted[0].key
    findings.save(tmp_path, stale)
    assert seek.settle([changed], [tmp_path], tmp_path / "elsewhere", print, whole=True) == {}
    assert ledger(results, findings.load([tmp_path]))[0].condition.startswith("not sought")


def test_the_key_changes_with_whatever_the_evidence_is() -> None:
    trials = [sample.trial(3), sample.divergent(4)]
    first = findings.key("L", "c", trials)
    others = [
        findings.key("M", "c", trials),
        findings.key("L", "d", trials),
        findings.key("L", "c", trials[:1]),
        findings.key("L", "c", [trials[0], {**trials[1], "as_expected": True}]),
        findings.key("L", "c", [trials[0], {**trials[1], "subject_version": "2.11.0"}]),
        findings.key("L", "c", [trials[0], sample.divergent(4, subject="mindspore@ascend")]),
    ]
    assert len({first, *others}) == len(others) + 1
    assert first == findings.key("L", "c", trials[::-1])
    assert "mindspore@ascend+mindspore@cpu" in others[-1]


def wanted(tmp_path: Path) -> Conditional:
    [found] = conditional(measured(tmp_path))
    return found


def test_nothing_is_sought_where_file_framework_or_release_is_not_here(tmp_path: Path) -> None:
    claim = wanted(tmp_path)
    assert seek.obstacle(claim.trials, tmp_path) is None
    assert "no case file" in str(seek.obstacle(claim.trials, tmp_path / "elsewhere"))
    torch = [{**trial, "reference": "torch@cpu", "reference_version": "1.0.0"} for trial in claim.trials]
    assert "torch" in str(seek.obstacle(torch, tmp_path))
    assert "no adapter" in str(seek.obstacle([{**claim.trials[0], "subject": "mini@gpu"}], tmp_path))
    assert "unknown framework" in str(seek.obstacle([{**claim.trials[0], "subject": "other@cpu"}], tmp_path))


def test_a_signature_has_no_fresh_cases_and_names_what_departs(tmp_path: Path) -> None:
    departing = ("weight_init", "bias_init")
    trials = [sample.checked(name, agrees=name not in departing) for name in ("k", "s", *departing)]
    results = sample.results(tmp_path, trials)
    found = seek.seek(conditional(results), tmp_path, print)
    [row] = [each for each in ledger(results, found) if each.id == "same-odd"]
    assert row.condition.startswith("holds for all but bias_init, weight_init: exhaustive")
    assert (row.right, row.fresh) == (None, None)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"state": "odd", "expression": ""}}', '{"a": {"x": 1}}'])
def test_kept_findings_that_cannot_be_read_are_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / CONDITIONS).write_text(text)
    assert findings.load([tmp_path, tmp_path / "nowhere"]) == {}


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    kept = {"a": Finding(State.CHECKED, "k == 1", 38, 40, 21, 20, 1, 90), "b": Finding(State.FAILED, "a crash")}
    findings.save(tmp_path, kept)
    assert findings.load([tmp_path]) == kept
    assert json.loads((tmp_path / CONDITIONS).read_text())["a"]["right"] == 38


@pytest.mark.parametrize(
    ("right", "beginning"),
    [
        (40, "holds iff k == 1: right on 40 of 40 fresh cases, 21 of them beyond the sweep"),
        (36, "nearly holds iff k == 1: right on 36 of 40 fresh cases"),
        (35, "no short condition found; the best one, k == 1, is right on 35 of 40 fresh cases"),
    ],
)
def test_a_condition_that_is_often_wrong_is_none(right: int, beginning: str) -> None:
    assert Finding(State.CHECKED, "k == 1", right, 40, 21, 20).text.startswith(beginning)


def test_a_search_that_failed_is_sought_again(tmp_path: Path) -> None:
    seek.keep(tmp_path, {"a": Finding(State.FAILED, "the search took too long"), "b": Finding(State.CHECKED, "k == 1")})
    assert findings.load([tmp_path]).keys() == {"b"}


def test_of_a_part_nothing_is_exhaustive() -> None:
    trials = [sample.trial(values={"parameter": "a"}), sample.trial(values={"parameter": "b"}, as_expected=False)]
    assert findings.departing(trials, whole=True).state is State.EXHAUSTIVE
    assert findings.departing(trials, whole=False).state is State.UNCHECKED


def test_another_fixed_value_is_other_evidence() -> None:
    first, other = (sample.trial(values={"h": extent}) for extent in (9, 99))
    assert findings.key("L", "c", [first]) != findings.key("L", "c", [other])
