"""The trials as Parquet: for who asks more of a run than the pages say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow.parquet import ParquetFile

from harness.records import merge
from harness.report import parquet
from harness.tests.sample import NEWER, checked, comparison, divergent, known, not_run, results, store, trial


def table(folder: Path, *trials: Any) -> pd.DataFrame:
    parquet.write(results(folder / "in", list(trials)).trials, folder / "trials.parquet")
    return pd.read_parquet(folder / "trials.parquet").set_index("trial")


def test_each_trial_has_a_row_with_its_facts(tmp_path: Path) -> None:
    trials = [trial(3), known(4), not_run(5), checked("stride", agrees=False)]
    found = table(tmp_path, *trials)
    assert sorted(found.index) == sorted(each["trial"] for each in trials)
    row = found.loc[known(4)["trial"]]
    assert (row["verdict"], row["known"], row["diagnosis"], row["tensor"]) == ("value", "CONV-1", "shifted", "output")
    assert (row["subject_version"], row["max_abs"], row["elements"], row["as_expected"]) == ("2.10.0", 40.0, 756, False)
    assert list(row["claims"]) == ["same-odd"]
    assert pd.isna(found.loc[trial(3)["trial"], "known"])
    assert pd.isna(found.loc[not_run(5)["trial"], "max_abs"])


def test_words_take_little_memory(tmp_path: Path) -> None:
    found = table(tmp_path, trial(3), divergent(4))
    for name in ("layer", "family", "subject", "verdict", "status", "diagnosis"):
        assert isinstance(found[name].dtype, pd.CategoricalDtype), name


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "int"),
        ([1, 0.5], "float"),
        ([True, False], "bool"),
        ([1, None], "float"),  # as pandas has it where some are missing
        ([1, [2, 3]], "category"),
        ([1, True], "category"),
        ([1, 2**70], "category"),
        (["a", "b"], "category"),
    ],
)
def test_a_value_is_a_number_only_where_all_trials_have_one(tmp_path: Path, values: list[Any], kind: str) -> None:
    found = table(tmp_path, *(trial(each) for each in values))
    assert str(found["value.k"].dtype).startswith(kind)


def test_lists_read_as_in_the_pages(tmp_path: Path) -> None:
    found = table(tmp_path, trial([2, 3]), trial(3), trial(layer="Dense", values={"units": 8}))
    assert sorted(found["value.k"].dropna()) == ["2x3", "3"]


def test_it_is_written_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 2)
    trials = [trial(1, subject="a@cpu"), trial(2, subject="b@cpu"), trial(3, subject="c@cpu")]
    found = table(tmp_path, *trials)
    assert found["subject"].tolist() == ["a@cpu", "b@cpu", "c@cpu"]
    assert ParquetFile(tmp_path / "trials.parquet").num_row_groups == 2


def test_no_trial_makes_an_empty_table(tmp_path: Path) -> None:
    assert table(tmp_path).empty


def test_a_trial_of_two_releases_has_two_rows(tmp_path: Path) -> None:
    runs = merge([store(tmp_path / "a", [trial()]), store(tmp_path / "b", [trial()], targets=NEWER)])
    parquet.write(runs.trials, tmp_path / "trials.parquet")
    assert pd.read_parquet(tmp_path / "trials.parquet")["subject_version"].tolist() == ["2.10.0", "2.11.0"]


def test_a_difference_that_is_no_number_stays_none(tmp_path: Path) -> None:
    found = table(tmp_path, trial(1, comparisons=[comparison(max_abs=float("nan"))]), trial(2))
    assert found["max_abs"].isna().tolist() == [True, False]
