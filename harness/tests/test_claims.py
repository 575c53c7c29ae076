"""The ledger: what counts, and where a claim turns from confirmed to conditional to refuted."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.ledger.claims import ClaimRow, by_document, conditional, ledger, unchecked
from harness.ledger.findings import Finding, State
from harness.records import Record
from harness.tests.sample import UNCHECKED, checked, divergent, known, not_run, results, trial


def row(tmp_path: Path, trials: list[Record], id_: str = "same-odd") -> ClaimRow:
    [found] = [each for each in ledger(results(tmp_path, trials)) if each.id == id_]
    return found


@pytest.mark.parametrize(
    ("agreeing", "against", "verdict"),
    [(2, 0, "confirmed"), (0, 2, "refuted"), (1, 19, "refuted"), (1, 18, "conditional"), (19, 1, "conditional")],
)
def test_the_verdict_follows_the_share_that_agrees(tmp_path: Path, agreeing: int, against: int, verdict: str) -> None:
    trials = [trial(k) for k in range(agreeing)] + [divergent(k) for k in range(100, 100 + against)]
    found = row(tmp_path, trials)
    assert (found.verdict, found.agreeing, found.counted) == (verdict, agreeing, agreeing + against)


@pytest.mark.parametrize("verdict", ["weak", "not_run", "unsupported"])
def test_what_proves_nothing_does_not_count(tmp_path: Path, verdict: str) -> None:
    found = row(tmp_path, [not_run(verdict=verdict)])
    assert (found.verdict, found.counted, found.counterexample) == ("untested", 0, "")
    assert found.families == ("same",)


def test_a_claim_without_any_trial_is_untested(tmp_path: Path) -> None:
    found = row(tmp_path, [trial()], "same-even")
    assert (found.verdict, found.families, found.says) == ("untested", (), "same pads alike")


def test_a_known_divergence_still_speaks_against_the_claim(tmp_path: Path) -> None:
    assert row(tmp_path, [known()]).verdict == "refuted"


def test_what_was_expected_decides_and_not_the_verdict(tmp_path: Path) -> None:
    found = row(tmp_path, [divergent(expected="different", as_expected=True, status="as_expected")])
    assert found.verdict == "confirmed"


def test_the_counterexample_is_the_smallest_and_ties_go_by_id(tmp_path: Path) -> None:
    trials = [divergent(5, 1), divergent(-9, 2), divergent([1, 1], 9), divergent(2, 4), trial(1, 1)]
    assert row(tmp_path, trials).counterexample == divergent(2, 4)["trial"]


def test_rows_tell_the_document_and_come_sorted(tmp_path: Path) -> None:
    rows = ledger(results(tmp_path, [trial(), trial(layer="AvgPool", claims=["z", "a"])]))
    assert [(each.layer, each.id) for each in rows] == [
        ("AvgPool", "a"),
        ("AvgPool", "z"),
        ("Conv2d", "same-even"),
        ("Conv2d", "same-odd"),
    ]
    assert (rows[3].document, rows[3].title, rows[3].where) == (
        "r2.1",
        "Differences with torch.nn.Conv2d",
        "Table, row 3",
    )


def test_rows_tell_what_the_document_is_about_and_what_was_measured(tmp_path: Path) -> None:
    found = row(tmp_path, [trial(), divergent(5)])
    assert (found.language, found.about) == ("en", "mindspore 2.1, torch 1.8.1")
    assert found.measured == "mindspore 2.10.0, torch 2.13.0"
    assert found.reproducer == divergent(5)["reproducer"]
    documents = {"Conv2d": {"r2.1": {"title": "A page", "language": "en", "mindspore": "", "torch": ""}}}
    [timeless, _] = ledger(results(tmp_path / "timeless", [trial()], documents=documents))
    assert timeless.about == "no release"
    assert (timeless.measured, timeless.reproducer) == ("", "")


def test_only_a_conditional_claim_has_a_condition(tmp_path: Path) -> None:
    for trials in ([trial(1)], [divergent(1)], [not_run(1)]):
        assert row(tmp_path, trials).condition == ""
        assert conditional(results(tmp_path, trials)) == []
    found = row(tmp_path, [trial(1), divergent(2)])
    assert found.condition.startswith("not sought; to find it: python -m harness claims")
    assert (found.right, found.fresh, found.beyond) == (None, None, None)


def test_a_condition_comes_with_its_numbers(tmp_path: Path) -> None:
    measured = results(tmp_path, [trial(1), divergent(2), not_run(3), trial(4, claims=[])])
    [claim] = conditional(measured)
    assert [each["trial"] for each in claim.trials] == [trial(1)["trial"], divergent(2)["trial"]]
    assert claim.taken == {each["trial"] for each in measured.trials}
    [_, found] = ledger(measured, {claim.key: Finding(State.CHECKED, "k == 1", 38, 40, 21, 20)})
    said = "nearly holds iff k == 1: right on 38 of 40 fresh cases, 21 of them beyond the sweep"
    assert found.condition.startswith(said)
    assert (found.right, found.fresh, found.beyond) == (38, 40, 21)


def test_checks_of_signatures_speak_of_claims_too(tmp_path: Path) -> None:
    found = row(tmp_path, [checked("k", agrees=True), checked("s", agrees=False)])
    assert (found.verdict, found.agreeing, found.counted) == ("conditional", 1, 2)


def test_what_cannot_be_checked_is_listed_once(tmp_path: Path) -> None:
    assert unchecked(results(tmp_path / "old", [trial()])) == []
    [found] = unchecked(results(tmp_path / "new", [trial()], unchecked=UNCHECKED * 2))
    assert (found.layer, found.where, found.because) == ("Conv2d", "Note 2", "time is not compared")


def test_each_document_is_summed_up(tmp_path: Path) -> None:
    measured = results(
        tmp_path, [trial(1), trial(2, claims=["same-even"]), divergent(3, claims=["same-even"])], unchecked=UNCHECKED
    )
    [document] = by_document(ledger(measured), unchecked(measured))
    assert (document.id, document.claims, document.unchecked) == ("r2.1", 2, 1)
    assert document.counts == {"refuted": 0, "conditional": 1, "untested": 0, "confirmed": 1}
    assert (document.about, document.measured) == ("mindspore 2.1, torch 1.8.1", "mindspore 2.10.0, torch 2.13.0")
