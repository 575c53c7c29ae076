"""The frame and the divergence matrix."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.matrix import AGAIN, divergence_matrix, frame
from harness.records import merge
from harness.tests.sample import NEWER, comparison, divergent, known, not_run, results, store, trial


def test_one_row_per_trial_with_its_facts(tmp_path: Path) -> None:
    table = frame(results(tmp_path, [trial(3), known(4)]))
    assert len(table) == 2
    row = table.iloc[1]
    assert (row["trial"], row["verdict"], row["known"], row["diagnosis"]) == (
        known(4)["trial"],
        "value",
        "CONV-1",
        "shifted",
    )
    assert (row["subject_version"], row["reference_version"], row["max_abs"]) == ("2.10.0", "2.13.0", 40.0)
    assert table["as_expected"].tolist() == [True, False]


def test_values_keep_their_kind_beside_a_layer_without_them(tmp_path: Path) -> None:
    other = trial(layer="Dense", values={"units": 8})
    table = frame(results(tmp_path, [trial([2, 3], True), trial(3), other]))
    by_trial = table.set_index("trial")
    assert by_trial.loc[trial([2, 3], True)["trial"], "value.k"] == "2x3"
    assert repr(by_trial.loc[trial([2, 3], True)["trial"], "value.s"]) == "True"
    assert repr(by_trial.loc[trial(3)["trial"], "value.k"]) == "3"
    assert repr(by_trial.loc[other["trial"], "value.units"]) == "8"


@pytest.mark.parametrize(
    ("found", "largest"),
    [([0.5, 2.0, None], 2.0), ([None], math.nan), ([1.0, math.nan, 2.0], math.nan), ([1.0, math.inf], math.inf)],
)
def test_the_largest_difference_is_over_all_comparisons(
    tmp_path: Path, found: list[float | None], largest: float
) -> None:
    table = frame(results(tmp_path, [trial(comparisons=[comparison(max_abs=each) for each in found])]))
    assert table["max_abs"].tolist() == pytest.approx([largest], nan_ok=True)


def test_verdicts_are_ordered_from_best_to_worst(tmp_path: Path) -> None:
    table = frame(results(tmp_path, [not_run(1), trial(2), divergent(3, verdict="shape"), divergent(4)]))
    assert table["verdict"].sort_values().tolist() == ["bitwise", "value", "shape", "not_run"]


def test_the_matrix_counts_and_rates(tmp_path: Path) -> None:
    trials = [trial(1), trial(2, verdict="within_bound"), divergent(3), not_run(4), trial(5, verdict="weak")]
    matrix = divergence_matrix(frame(results(tmp_path, trials)))
    assert list(matrix.columns) == [
        "bitwise",
        "within_bound",
        "value",
        "weak",
        "not_run",
        "trials",
        "diverging",
        "rate",
        *AGAIN,
    ]
    assert matrix.index.names == ["layer", "family"]
    row = matrix.loc[[("Conv2d", "same")]].iloc[0]
    assert (row["trials"], row["diverging"], row["rate"]) == (5, 1, pytest.approx(2 / 3))


def test_nothing_rated_means_no_rate(tmp_path: Path) -> None:
    row = divergence_matrix(frame(results(tmp_path, [not_run()]))).iloc[0]
    assert (row["trials"], row["diverging"]) == (1, 0)
    assert math.isnan(row["rate"])


def test_the_matrix_splits_by_versions(tmp_path: Path) -> None:
    runs = merge([store(tmp_path / "a", [divergent()]), store(tmp_path / "b", [trial()], targets=NEWER)])
    matrix = divergence_matrix(frame(runs), by=["subject_version"])
    assert matrix["diverging"].to_dict() == {("Conv2d", "same", "2.10.0"): 1, ("Conv2d", "same", "2.11.0"): 0}


@pytest.mark.parametrize("name", ["k", "value.k"])
def test_the_matrix_splits_by_a_parameter(tmp_path: Path, name: str) -> None:
    trials = [trial(3), divergent(2), trial([2, 3]), trial(None), trial(layer="Dense", values={"units": 8})]
    matrix = divergence_matrix(frame(results(tmp_path, trials)), by=[name])
    assert matrix.index.names == ["layer", "family", "value.k"]
    assert matrix["trials"].sum() == 5
    assert matrix.loc[("Conv2d", "same", 2), "diverging"] == 1
    assert matrix.loc[("Conv2d", "same", "2x3"), "diverging"] == 0


def test_an_unknown_name_gets_a_hint(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"'subjct'.*did you mean 'subject'"):
        divergence_matrix(frame(results(tmp_path, [trial()])), by=["subjct"])


def test_no_trials_make_an_empty_matrix(tmp_path: Path) -> None:
    table = frame(results(tmp_path, []))
    assert list(divergence_matrix(table, by=["dtype"]).columns) == ["trials", "diverging", "rate", *AGAIN]
